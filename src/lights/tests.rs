mod terminal;
mod wiring;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use super::gpiochip::{Found, choose};
use super::pattern::{BLINK_HALF, STEADY_FOR, TEST_STEP};
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
    const CURE: &str = "there is no /dev/gpiochipN: on a Raspberry Pi, see whether the kernel has it \
                       (`ls /dev/gpiochip*`) and the unit allows it; on any other machine set \
                       `driver = \"terminal\"` or `\"none\"` under [lights]";
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
