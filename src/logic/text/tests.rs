use super::*;

#[test]
fn log_text() {
    for (bytes, expected) in [
        (&b"plain\ttext\n"[..], "plain\ttext\n"),
        (b"\x1b[1;31mred\x1b[m", "red"),
        (b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink"),
        (b"\x1bPq#0\x1b\\a\x1b(Bb\x1b7c", "abc"),
        (b"\x1b]0;never ends\nnext", "␛]0;never ends\nnext"),
        (b"\x1b[31\nnext \x1b", "␛[31\nnext ␛"),
        (b"\x1b]a\x1b[mb", "␛]ab"),
        (b"1%\r2%\r\ndone\r\n", "1%\n2%\ndone\n"),
        (b"\0\x08\x7f\x0c", "␀␈␡␌"),
        (b"\xe2\x82", "\u{fffd}"),
        ("\u{9b}31m \u{85} ü \u{61c}".as_bytes(), "[U+009B]31m [U+0085] ü [U+061C]"),
        (b"\x1b]\xc3\xbc\x07ok", "ok"),
        ("a\u{200b}\u{feff}\u{e0041}b".as_bytes(), "a[U+200B][U+FEFF][U+E0041]b"),
        (b"", ""),
    ] {
        assert_eq!(log(bytes), expected);
    }
}

/// What [`acts`]: first and last of each range.
const ACTING: [(char, char); 11] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{e0000}', '\u{e007f}'),
];

#[test]
fn what_acts_is_written_out_and_stays_in_no_line() {
    for c in ('\0'..='\u{ffff}').chain('\u{dff00}'..='\u{e0200}') {
        let expected = ACTING.iter().any(|(first, last)| (*first..=*last).contains(&c));
        assert_eq!(acts(c), expected, "{c:?}");
        let text = format!("a{c}b");
        assert_eq!(visible(&text) == text, !expected, "{c:?}");
        assert!(!expected || !one_line(&text).contains(c), "{c:?}");
    }
    for seen in "aé✓…中🏳\u{fe0f}".chars() {
        assert!(!acts(seen), "{seen:?}");
    }
}

#[test]
fn one_line_of_words() {
    for (text, expected) in [
        ("two\r\nlines\0and \u{1b}[31m", "two lines and [31m"),
        ("  a\u{1b}[31m\nb\u{202e}c\t ", "a [31m bc"),
        ("pass\u{200b}word\u{feff}\u{2028}!", "password!"),
        ("\u{a0}é \u{3000} ✓", "é ✓"),
        ("\n\t", ""),
    ] {
        assert_eq!(one_line(text), expected);
    }
}
