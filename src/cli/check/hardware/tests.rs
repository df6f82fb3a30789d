use super::*;

#[test]
fn the_alarm_of_the_power_supply() {
    let sys = tempfile::TempDir::new().unwrap();
    let monitor = |n: u8, name: &str| {
        let dir = sys.path().join(format!("class/hwmon/hwmon{n}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("name"), format!("{name}\n")).unwrap();
        dir
    };
    monitor(0, "cpu_thermal");
    assert!(undervoltage(sys.path()).is_none());
    let pi = monitor(1, "rpi_volt");
    for (alarm, words) in [("0\n", "no undervoltage since"), ("1\n", "undervoltage since the start: use")] {
        fs::write(pi.join("in0_lcrit_alarm"), alarm).unwrap();
        let found = undervoltage(sys.path()).unwrap();
        assert!(found.words.starts_with(words), "{}", found.words);
    }
}

#[test]
fn the_life_of_a_card() {
    let (sys, state) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
    let device = fs::metadata(state.path()).unwrap().dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let disk = sys.path().join("devices/mmcblk0");
    fs::create_dir_all(disk.join("mmcblk0p2")).unwrap();
    fs::create_dir_all(disk.join("device")).unwrap();
    fs::create_dir_all(sys.path().join("dev/block")).unwrap();
    fs::write(disk.join("mmcblk0p2/partition"), "2\n").unwrap();
    std::os::unix::fs::symlink(disk.join("mmcblk0p2"), sys.path().join("dev/block").join(number)).unwrap();
    let found = || wear(sys.path(), state.path()).map(|finding| finding.words);
    assert_eq!(found(), None);
    fs::write(disk.join("stat"), "1 2 3 4 5 6 4096000 8 9 10 11\n").unwrap();
    assert_eq!(found().unwrap(), "2000 MiB written since the start; it tells nothing of its wear");
    fs::write(disk.join("device/life_time"), "0x01 0x03\n").unwrap();
    assert_eq!(found().unwrap(), "up to 30 % of the card's life is used");
    fs::write(disk.join("device/life_time"), "0x09 0x03\n").unwrap();
    assert_eq!(found().unwrap(), "up to 90 % of the card's life is used: `pilotlight backup`, then a new card");
}
