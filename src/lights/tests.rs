use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use super::gpiochip::{Found, choose};
use super::pattern::{BLINK_HALF, STEADY_FOR, TEST_STEP};
use super::pins::{PRESETS, check, free, header_pin, notes, preset};
use super::terminal::{Look, Manner, harmless, line, render};
use super::*;
use crate::logic::panel::Led;

const PLAIN: Look = Look { width: 80, colour: false };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn panel(red: Led, yellow: Led, green: Led, reason: &str) -> Panel {
    Panel { red, yellow, green, reason: reason.to_string(), ..Panel::default() }
}

fn running() -> Panel {
    panel(Led::Off, Led::Blink, Led::Off, "acme/app#7 is running")
}

fn passed() -> Panel {
    panel(Led::Off, Led::Off, Led::On, "acme/app#7 passed")
}

/// A lamp that writes into a pipe, and the pipe's other end.
fn lamp_on_pipe(manner: Manner) -> (Lights, File) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let lamp = lamp_on(File::from(OwnedFd::from(writer)), manner);
    (lamp, File::from(OwnedFd::from(reader)))
}

fn lamp_on(out: impl Write + Send + 'static, manner: Manner) -> Lights {
    let config = LightsConfig { driver: DriverKind::None, pins: Pins::default(), active_low: false };
    let mut lamp = Lights::open(&config);
    lamp.driver = Driver::Terminal(Terminal::new(out, manner).expect("a thread"));
    lamp
}

fn all_of(mut pipe: File) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).expect("text");
    text
}

// Pins.

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
    let page = include_str!("../../hardware.md");
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
        include_str!("../../hardware.md"),
        include_str!("../../hardware/leds.svg"),
        include_str!("../../hardware/tower.svg"),
        include_str!("../../hardware/transistor.svg"),
        include_str!("../../hardware/relay.svg"),
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

#[test]
fn a_steady_lamp_asks_for_no_wake_up() {
    let mut pattern = Pattern::default();
    assert_eq!(pattern.wake_at(), None);
    pattern.show(ms(0), &passed());
    assert_eq!(pattern.picture().lights(), [false, false, true]);
    assert_eq!(pattern.wake_at(), None);
}

#[test]
fn a_blink_takes_a_whole_second_even_when_woken_late() {
    let mut pattern = Pattern::default();
    pattern.show(ms(1000), &running());
    assert_eq!((pattern.picture().lights()[1], pattern.wake_at()), (true, Some(ms(1500))));
    pattern.tick(ms(1499));
    assert!(pattern.picture().lights()[1], "too early");
    pattern.tick(ms(1900));
    assert_eq!((pattern.picture().lights()[1], pattern.wake_at()), (false, Some(ms(1900) + BLINK_HALF)));
    pattern.tick(ms(60_000));
    assert_eq!((pattern.picture().lights()[1], pattern.wake_at()), (true, Some(ms(60_500))));
}

#[test]
fn a_blink_that_goes_on_keeps_its_phase() {
    let mut pattern = Pattern::default();
    pattern.show(ms(0), &running());
    pattern.tick(ms(500));
    pattern.show(ms(700), &Panel { reason: "acme/app#8 is running".to_string(), ..running() });
    assert_eq!((pattern.picture().lights()[1], pattern.wake_at()), (false, Some(ms(1000))));
    pattern.show(ms(800), &passed());
    assert_eq!((pattern.picture().lights(), pattern.wake_at()), ([false, false, true], None));
}

#[test]
fn a_test_shows_each_colour_and_returns_to_the_newest_truth() {
    let mut pattern = Pattern::default();
    pattern.show(ms(0), &running());
    pattern.play(ms(100), LampShow::Test);
    let mut seen = vec![pattern.picture().lights()];
    let mut now = ms(100);
    while let Some(ends) = pattern.show_ends() {
        assert_eq!(ends, now + TEST_STEP);
        pattern.tick(ends - ms(1));
        assert_eq!(Some(&pattern.picture().lights()), seen.last());
        pattern.show(now, &passed());
        now = ends;
        pattern.tick(now);
        seen.push(pattern.picture().lights());
    }
    let green = [false, false, true];
    assert_eq!(seen, [[true, false, false], [false, true, false], green, green]);
    assert_eq!(pattern.picture().panel, &passed());
    assert_eq!(pattern.wake_at(), None);
}

#[test]
fn a_colour_set_by_hand_stays_ten_seconds() {
    let mut pattern = Pattern::default();
    pattern.show(ms(0), &running());
    pattern.play(ms(200), LampShow::Test);
    pattern.play(ms(300), LampShow::Steady(Some(Colour::Red)));
    assert_eq!((pattern.picture().lights(), pattern.wake_at()), ([true, false, false], Some(ms(300) + STEADY_FOR)));
    pattern.tick(ms(10_300));
    assert_eq!((pattern.picture().panel, pattern.wake_at()), (&running(), Some(ms(10_800))));
    pattern.play(ms(11_000), LampShow::Steady(None));
    assert_eq!(pattern.picture().lights(), [false; 3]);
}

// Text.

#[test]
fn lines_name_their_colours_lit_ones_first() {
    use Led::{Blink, Off, On};
    let about = |panel: Panel| Panel { repository: Some("acme/app".to_string()), pull: Some(7), ..panel };
    let table = [
        (running(), "lamp: yellow blinking, red off, green off (acme/app#7 is running)"),
        (passed(), "lamp: green on, red off, yellow off (acme/app#7 passed)"),
        (about(passed()), "lamp: green on, red off, yellow off (acme/app#7 passed)"),
        (about(panel(On, Off, Off, "failed")), "lamp: red on, yellow off, green off (acme/app#7: failed)"),
        (about(panel(On, Off, Off, "")), "lamp: red on, yellow off, green off (acme/app#7)"),
        (panel(On, On, Off, "can't tell"), "lamp: red on, yellow on, green off (can't tell)"),
        (panel(Off, Blink, On, ""), "lamp: yellow blinking, green on, red off"),
        (panel(Off, Off, Off, "nothing yet"), "lamp: dark (nothing yet)"),
        (Panel::default(), "lamp: dark"),
    ];
    for (panel, text) in table {
        assert_eq!(line(&panel), text);
    }
}

#[test]
fn the_lamp_is_drawn_with_circle_place_and_word() {
    let table = [
        (true, PLAIN, "○ red  ◉ yellow  ○ green  acme/app#7 is running"),
        (false, PLAIN, "○ red  ◎ yellow  ○ green  acme/app#7 is running"),
        (true, Look { width: 40, colour: false }, "○ red  ◉ yellow  ○ green  acme/app#7…"),
        (true, Look { width: 10, colour: false }, "○ red  ◉ yellow  ○ green"),
        (
            true,
            Look { width: 48, colour: true },
            "\x1b[2m○ red\x1b[0m  \x1b[1;33m◉ yellow\x1b[0m  \x1b[2m○ green\x1b[0m  acme/app#7 is running",
        ),
    ];
    for (lit, look, text) in table {
        assert_eq!(render(&running(), lit, look), text);
    }
}

#[test]
fn no_text_can_harm_a_terminal() {
    let table = [
        ("plain, ümläut, 漢字", "plain, ümläut, 漢字"),
        ("a\nlamp: green on", "a\u{fffd}lamp: green on"),
        ("\x1b[2Jgone", "\u{fffd}[2Jgone"),
        ("c1\u{9b}31m del\u{7f}", "c1\u{fffd}31m del\u{fffd}"),
        ("\u{202e}neerg\u{2066}\u{200f}\u{2028}", "\u{fffd}neerg\u{fffd}\u{fffd}\u{fffd}"),
        ("ze\u{200b}ro\u{feff} tag\u{e0041}", "ze\u{fffd}ro\u{fffd} tag\u{fffd}"),
    ];
    for (evil, tame) in table {
        assert_eq!(harmless(evil), tame);
    }
    let evil =
        Panel { repository: Some("a\x1bb/c".to_string()), pull: Some(1), reason: "x\r\n".repeat(500), ..running() };
    for text in [line(&evil), render(&evil, true, PLAIN)] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.chars().count() < 320, "{}", text.len());
    }
}

#[test]
fn lines_are_written_once_for_each_change_and_wake_nobody() {
    let (mut lamp, pipe) = lamp_on_pipe(Manner::Lines);
    lamp.show(ms(0), &running());
    assert_eq!(lamp.wake_at(), None);
    lamp.tick(ms(600));
    lamp.show(ms(700), &running());
    lamp.play(ms(800), LampShow::Steady(Some(Colour::Red)));
    assert_eq!(lamp.wake_at(), Some(ms(10_800)));
    lamp.show(ms(900), &passed());
    lamp.tick(ms(10_800));
    lamp.off();
    drop(lamp);
    assert_eq!(
        all_of(pipe),
        "lamp: yellow blinking, red off, green off (acme/app#7 is running)\n\
         lamp: red on, yellow off, green off (set by hand, for 10 seconds)\n\
         lamp: green on, red off, yellow off (acme/app#7 passed)\n\
         lamp: dark (pilotlight has stopped)\n"
    );
}

#[test]
fn a_live_lamp_is_redrawn_in_place() {
    let (mut lamp, pipe) = lamp_on_pipe(Manner::Live(|| PLAIN));
    lamp.show(ms(0), &running());
    assert_eq!(lamp.wake_at(), Some(ms(500)));
    lamp.tick(ms(500));
    lamp.leave(Some(Colour::Green));
    drop(lamp);
    assert_eq!(
        all_of(pipe),
        "\r\x1b[2K ○ red  ◉ yellow  ○ green  acme/app#7 is running\r\
         \r\x1b[2K ○ red  ◎ yellow  ○ green  acme/app#7 is running\r\
         \r\x1b[2K ○ red  ○ yellow  ● green  set by hand\r\n"
    );
}

#[test]
fn a_stalled_terminal_blocks_nobody_and_ends_with_the_newest() {
    let (mut lamp, pipe) = lamp_on_pipe(Manner::Lines);
    // Far more than a pipe holds: a lamp that wrote by itself would stand still here for ever.
    for pull in 0..5_000 {
        lamp.show(ms(pull), &Panel { reason: format!("acme/app#{pull} passed"), ..passed() });
    }
    lamp.off();
    drop(lamp);
    assert!(all_of(pipe).ends_with("\nlamp: dark (pilotlight has stopped)\n"));
}

#[test]
fn a_terminal_that_went_away_is_ignored() {
    let (mut lamp, pipe) = lamp_on_pipe(Manner::Lines);
    drop(pipe);
    lamp.show(ms(0), &running());
    lamp.show(ms(1), &passed());
    lamp.off();
    assert_eq!(lamp.problem(), None);
}

#[test]
fn a_panic_leaves_the_lamp_dark() {
    let (mut lamp, pipe) = lamp_on_pipe(Manner::Lines);
    let fell = std::thread::spawn(move || {
        lamp.show(ms(0), &passed());
        panic!("on purpose");
    });
    assert!(fell.join().is_err());
    assert!(all_of(pipe).ends_with("\nlamp: dark (pilotlight has stopped)\n"));
}

// Drivers.

#[test]
fn active_low_turns_every_level_round() {
    for (active_low, dark, green) in [(false, [false; 3], [false, false, true]), (true, [true; 3], [true, true, false])]
    {
        let mut lamp = Lights::open(&LightsConfig { driver: DriverKind::None, pins: Pins::default(), active_low });
        assert_eq!(lamp.high, dark, "before the first truth");
        lamp.show(ms(0), &passed());
        assert_eq!(lamp.high, green);
        lamp.off();
        assert_eq!(lamp.high, dark, "at the end");
    }
}

#[test]
fn a_machine_without_pins_has_a_dark_lamp_that_names_the_cure() {
    if PathBuf::from("/dev/gpiochip0").exists() {
        return;
    }
    const CURE: &str = "there is no /dev/gpiochipN: on a Raspberry Pi, see whether the kernel has it (`ls /dev/gpiochip*`) and the unit \
                       allows it; on any other machine set `driver = \"terminal\"` or `\"none\"` under [lights]";
    let config = |driver| LightsConfig { driver, pins: Pins::default(), active_low: true };
    let mut lamp = Lights::open(&config(DriverKind::Gpio));
    assert_eq!(lamp.problem(), Some(format!("rppal does not know this board, and {CURE}").as_str()));
    lamp.show(ms(0), &running());
    lamp.play(ms(1), LampShow::Test);
    let mut tries = Vec::new();
    while tries.len() < 9 {
        tries.extend(lamp.wake_at());
        lamp.tick(tries[tries.len() - 1]);
    }
    assert_eq!(tries, [1, 2, 4, 8, 16, 32, 64, 124, 184].map(Duration::from_secs));
    assert_eq!(probe(&config(DriverKind::Gpiochip)), Err(CURE.to_string()));
    lamp.reopen(ms(500), &config(DriverKind::Gpiochip));
    assert_eq!((lamp.problem(), lamp.wake_at()), (Some(CURE), Some(RETRY_FIRST + ms(500))));
    lamp.reopen(ms(600), &config(DriverKind::None));
    assert_eq!((lamp.problem(), lamp.wake_at()), (None, None));
    assert_eq!(lamp.pattern.picture().panel, &running());
}

#[test]
fn a_lamp_that_could_not_be_had_is_tried_again_and_shows_the_newest_truth() {
    let state = tempfile::TempDir::new().expect("a directory");
    let config = LightsConfig { driver: DriverKind::Terminal, pins: Pins::default(), active_low: true };
    let (mut lamp, pipe) = lamp_on_pipe(Manner::Lines);
    (lamp.config, lamp.driver, lamp.problem) = (config.clone(), Driver::Dark, Some("no pins".to_string()));
    drop(pipe);
    let mut lamp = lamp.remembered_in(state.path());
    lamp.show(ms(0), &passed());
    lamp.tick(RETRY_FIRST - ms(1));
    assert_eq!((lamp.problem(), lamp.wake_at()), (Some("no pins"), Some(RETRY_FIRST)));
    let memory = Memory::in_directory(state.path());
    assert_eq!(memory.lamp(), None, "it may be another's that is lit");
    lamp.tick(RETRY_FIRST);
    assert_eq!((lamp.problem(), lamp.wake_at()), (None, None));
    assert_eq!((lamp.high, memory.lamp()), ([true, true, false], Some(config)));
    lamp.off();
    assert_eq!(memory.lamp(), None, "it is dark");
}

#[test]
fn what_may_be_lit_is_written_when_it_changes_and_believed_when_it_can_be() {
    let state = tempfile::TempDir::new().expect("a directory");
    let (memory, file) = (Memory::in_directory(state.path()), state.path().join("lamp.json"));
    let lamp =
        |red| LightsConfig { driver: DriverKind::Gpio, pins: Pins { red, yellow: 20, green: 16 }, active_low: false };
    let number = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&file).expect("a file"));
    memory.forget();
    memory.keep(&lamp(21));
    let first = number();
    memory.keep(&lamp(21));
    assert_eq!((memory.lamp(), number()), (Some(lamp(21)), first));
    memory.keep(&lamp(26));
    assert_eq!(memory.lamp(), Some(lamp(26)));
    assert_ne!(number(), first, "the old file is replaced");
    let text = std::fs::read_to_string(&file).expect("text");
    for broken in ["", "{", &text.replace("26", "260"), &text.replace("26", "40"), &text.replace("26", "16")] {
        std::fs::write(&file, broken).expect("a file");
        assert_eq!(memory.lamp(), None, "{broken}");
    }
    memory.forget();
    assert!(!file.exists());
}

#[test]
fn rppals_errors_name_their_cure() {
    use rppal::gpio::Error;
    let table = [
        (
            Error::PermissionDenied("/dev/gpiomem".to_string()),
            "/dev/gpiomem may not be opened: let its user into group gpio (`sudo usermod -aG gpio USER`, then log in \
             again; in a systemd unit `SupplementaryGroups=gpio`)",
        ),
        (Error::UnknownModel, "rppal does not know this board, and CHIP"),
        (Error::PinNotAvailable(54), "rppal can't use this board (Pin 54 is not available), and CHIP"),
    ];
    for (error, told) in table {
        assert_eq!(gpio::problem(&error, "CHIP"), told);
    }
    assert_eq!(
        gpiochip::busy(16, "relay", Pins::default()),
        "pin 16 is in use by \"relay\": stop that program, or choose another pin; free are 4–6, 12–13, 17–19, 22–27"
    );
}

#[test]
fn the_chip_is_known_by_its_label() {
    let chips = |labels: &[&str]| -> Vec<Found> {
        let found =
            |(n, label): (usize, &&str)| Found { path: format!("/dev/gpiochip{n}").into(), label: label.to_string() };
        labels.iter().enumerate().map(found).collect()
    };
    let table: [(&[&str], &str); 5] = [
        (&["pinctrl-bcm2835", "raspberrypi-exp-gpio"], "/dev/gpiochip0"),
        (&["raspberrypi-exp-gpio", "pinctrl-bcm2711"], "/dev/gpiochip1"),
        (&["gpio-brcmstb@107d508500", "gpio-brcmstb@107d517c00", "x", "y", "pinctrl-rp1"], "/dev/gpiochip4"),
        (&["some-other-board"], "/dev/gpiochip0"),
        (&["x", "pinctrl-of-a-board-to-come"], "/dev/gpiochip1"),
    ];
    for (labels, path) in table {
        assert_eq!(choose(chips(labels)).map(|found| found.path), Ok(PathBuf::from(path)), "{labels:?}");
    }
    assert_eq!(
        choose(chips(&["a", "b"])).unwrap_err(),
        "none of the GPIO chips (a, b) is a Raspberry Pi's header (`pinctrl-…`): set `driver = \"terminal\"` or \
         `\"none\"` under [lights]"
    );
}
