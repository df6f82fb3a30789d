//! Pins, presets, and what hardware.md says of them.

use super::super::pins::{PRESETS, check, free, preset};
use super::super::*;

/// Place on the 40-pin header, by BCM number.
const HEADER: [u8; 28] =
    [27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33, 8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18, 22, 37, 13];

#[test]
fn every_preset_can_be_wired() {
    for (name, pins) in PRESETS {
        assert_eq!(preset(name), Ok(pins), "{name}");
        assert_eq!(check(pins), Ok(()), "{name}");
    }
    assert_eq!(preset("pi-stop-a-plus"), Ok(Pins { red: 21, yellow: 20, green: 16 }));
    assert_eq!(preset("pi-stop-a-plus"), Ok(Pins::default()));
}

#[test]
fn hardware_md_wires_every_preset_as_the_code_does() {
    let page = include_str!("../../../hardware.md");
    for (name, pins) in PRESETS {
        let start = format!("| `{name}` | ");
        let wired = pins.by_colour().map(|(_, pin)| format!("{pin} ({})", HEADER[usize::from(pin)]));
        let end = format!(" | {} |", wired.join(" | "));
        assert!(page.lines().any(|line| line.starts_with(&start) && line.contains(&end)), "no row {start}…{end}");
    }
}

#[test]
fn drawings_and_wiring_tables_name_the_places_that_the_code_knows() {
    let pages = [
        include_str!("../../../hardware.md"),
        include_str!("../../../hardware/leds.svg"),
        include_str!("../../../hardware/tower.svg"),
        include_str!("../../../hardware/transistor.svg"),
        include_str!("../../../hardware/relay.svg"),
    ];
    for page in pages {
        let wires = page.split("BCM ").skip(1).filter_map(|rest| rest.split_once(", place "));
        let wires: Vec<_> = wires.filter_map(|(bcm, rest)| Some((bcm.parse::<usize>().ok()?, digits(rest)))).collect();
        assert!(!wires.is_empty(), "no wire in {}", page.lines().next().unwrap_or_default());
        for (bcm, place) in wires {
            assert_eq!(HEADER[bcm], place, "BCM {bcm}");
        }
    }
}

/// The number that a text begins with.
fn digits(text: &str) -> u8 {
    text.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn an_unknown_board_is_answered_with_the_nearest() {
    let told = preset("pi-stop-a-plu").unwrap_err();
    assert_eq!(
        told,
        "no board is called \"pi-stop-a-plu\"; the nearest are `pi-stop-a-plus`, `pi-stop-b-plus`, `pi-stop-a` \
         (hardware.md has all)"
    );
    assert!(preset("trafic-hat").unwrap_err().contains("the nearest are `traffic-hat`"));
}

#[test]
fn impossible_pins_say_why_and_what_is_free() {
    const FREE: &str = "free are 4–6, 12–13, 17–27";
    let table = [
        ((1, 20, 16), "red can't have pin 1: it belongs to the EEPROM of HATs; free are 4–6, 12–13, 17–19, 21–27"),
        (
            (21, 28, 16),
            "yellow can't have pin 28: the 40-pin header ends at 27 (BCM numbers, not places on the header)",
        ),
        ((21, 20, 40), "green can't have pin 40: the 40-pin header ends at 27 (BCM numbers, not places on the header)"),
        ((16, 16, 2), "yellow can't have pin 16: red has it already; free are 4–6, 12–13, 17–27"),
        ((21, 20, 21), "green can't have pin 21: red has it already"),
    ];
    for ((red, yellow, green), told) in table {
        let why = check(Pins { red, yellow, green }).unwrap_err();
        assert!(why.starts_with(told), "{why}");
    }
    assert!(check(Pins { red: 16, yellow: 16, green: 9 }).unwrap_err().ends_with(FREE));
    assert_eq!(free(Pins { red: 4, yellow: 26, green: 13 }), "5–6, 12, 16–25, 27");
}
