//! What the kernel tells of the box itself, where it does: the power supply and the card.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Finding;

/// Wear from which a card should be replaced, in tenths of its life.
const WEAR_HIGH: u64 = 8;

/// `sys` is where sysfs is mounted.
pub fn findings(sys: &Path, state_dir: &Path) -> Vec<Finding> {
    [undervoltage(sys), wear(sys, state_dir)].into_iter().flatten().collect()
}

/// The Raspberry Pi's own alarm, from the driver raspberrypi-hwmon. It is on from the first dip until the next boot.
fn undervoltage(sys: &Path) -> Option<Finding> {
    let monitors = fs::read_dir(sys.join("class/hwmon")).ok()?.flatten().map(|entry| entry.path());
    let pi = monitors.into_iter().find(|dir| word(&dir.join("name")).as_deref() == Some("rpi_volt"))?;
    Some(match word(&pi.join("in0_lcrit_alarm"))?.as_str() {
        "0" => Finding::good("power", "no undervoltage since the start"),
        _ => Finding::bad("power", "undervoltage since the start: use the official power supply and a short cable"),
    })
}

/// What an eMMC tells of its life (JESD84-B51, DEVICE_LIFE_TIME_EST), or how much was written since the start: SD cards
/// tell nothing of theirs.
fn wear(sys: &Path, state_dir: &Path) -> Option<Finding> {
    let existing = state_dir.ancestors().find(|dir| dir.exists())?;
    let device = fs::metadata(existing).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let partition: PathBuf = fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}"))).ok()?;
    let disk = if partition.join("partition").exists() { partition.parent()? } else { &partition };
    let tenths = word(&disk.join("device/life_time")).and_then(|text| {
        let used = text.split_whitespace().filter_map(|n| u64::from_str_radix(n.trim_start_matches("0x"), 16).ok());
        used.max().filter(|tenths| *tenths > 0)
    });
    if let Some(tenths) = tenths {
        let words = format!("up to {} % of the card's life is used", tenths * 10);
        return Some(match tenths {
            WEAR_HIGH.. => Finding::bad("card", format!("{words}: `pilotlight backup`, then a new card")),
            _ => Finding::good("card", words),
        });
    }
    // Field 7 of a block device's stat, in sectors of 512 bytes (Documentation/block/stat.rst).
    let sectors: u64 = word(&disk.join("stat"))?.split_whitespace().nth(6)?.parse().ok()?;
    Some(Finding::good("card", format!("{} MiB written since the start; it tells nothing of its wear", sectors / 2048)))
}

fn word(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests;
