//! Pins, presets, and what hardware.md says of them.

use super::super::pins::{PRESETS, check, free, header_pin, notes, preset};
use super::super::*;

#[test]
fn every_preset_can_be_wired() {
    for board in PRESETS {
        assert_eq!(preset(board.name), Ok(board.pins), "{}", board.name);
        assert_eq!(check(board.pins), Ok(()), "{}", board.name);
    }
    assert_eq!(preset("pi-stop-a-plus"), Ok(Pins { red: 21, yellow: 20, green: 16 }));
    assert_eq!(preset("pi-stop-a-plus"), Ok(Pins::default()));
}

#[test]
fn hardware_md_wires_every_preset_as_the_code_does() {
    let page = include_str!("../../../hardware.md");
    for board in PRESETS {
        let wired =
            board.pins.by_colour().map(|(_, pin)| format!("{pin} ({})", header_pin(pin).expect("on the header")));
        let row = format!("| `{}` | {} | {} |", board.name, board.board, wired.join(" | "));
        assert!(page.contains(&row), "no row {row}");
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
        let wires: Vec<_> = wires.filter_map(|(bcm, rest)| Some((bcm.parse().ok()?, digits(rest)))).collect();
        assert!(!wires.is_empty(), "no wire in {}", page.lines().next().unwrap_or_default());
        for (bcm, place) in wires {
            assert_eq!(header_pin(bcm), Some(place), "BCM {bcm}");
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

#[test]
fn pins_with_a_second_job_are_noted_not_refused() {
    assert_eq!(notes(Pins::default()), Vec::<String>::new());
    assert_eq!(
        notes(Pins { red: 18, yellow: 15, green: 14 }),
        [
            "pin 15 (yellow) is also the serial console's input: turn the console off",
            "pin 14 (green) is also the serial console's output: turn the console off, or it flickers at boot",
        ]
    );
}

#[test]
fn the_header_has_each_pin_once() {
    // Each line: the BCM numbers along one side of the 40-pin header, by place.
    let odd = [(3, 2), (5, 3), (7, 4), (11, 17), (13, 27), (15, 22), (19, 10), (21, 9), (23, 11), (27, 0), (29, 5)];
    let odd_end = [(31, 6), (33, 13), (35, 19), (37, 26)];
    let even = [(8, 14), (10, 15), (12, 18), (16, 23), (18, 24), (22, 25), (24, 8), (26, 7), (28, 1), (32, 12)];
    let even_end = [(36, 16), (38, 20), (40, 21)];
    let places = [&odd[..], &odd_end, &even, &even_end].concat();
    assert_eq!(places.len(), 28);
    for (place, bcm) in places {
        assert_eq!(header_pin(bcm), Some(place), "BCM {bcm}");
    }
    assert_eq!(header_pin(28), None);
}

// What is seen when.
