//! The lamp of the terminal: as it is drawn, and as lines.

use super::*;

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
