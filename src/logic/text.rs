//! Text from outside, made harmless for a page, a terminal and a line of words: characters that do something instead of
//! being seen. (What HTML obeys, maud escapes.)

use std::fmt::Write;

/// Whether `c` acts on a terminal, ends a line, turns the direction of what follows, or is there without being seen. Tabs
/// and ends of lines do; U+200D does too, though it joins one emoji to another.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` as one line of words, a blank between two: without what [`acts`].
pub fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !acts(*c)).collect::<String>();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` with what [`acts`] written out.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_visible(&mut out, c));
    out
}

/// A log as plain lines: what a terminal would obey is dropped where it is well formed (colours, titles,
/// links), and written out where it is not, so that nothing can hide behind it.
pub fn log(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        if let Some(sequence) = escape_sequence(rest.as_bytes()) {
            rest = &rest[sequence..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' | '\t' => out.push(c),
            '\r' if rest.starts_with('\n') => {}
            '\r' => out.push('\n'), // a progress bar: all its stages, one below the other
            _ => push_visible(&mut out, c),
        }
    }
    out
}

/// The bytes of the escape sequence that `bytes` begins with (ECMA-48, 5.3 to 5.6). Each byte is looked at
/// once at most before the next ESC, so that no log can make this slow.
fn escape_sequence(bytes: &[u8]) -> Option<usize> {
    let (b'\x1b', kind) = (bytes.first()?, *bytes.get(1)?) else {
        return None;
    };
    let count = |range: std::ops::RangeInclusive<u8>| bytes[2..].iter().take_while(|&b| range.contains(b)).count();
    let ends_at = |index: usize, range: std::ops::RangeInclusive<u8>| {
        bytes.get(index).is_some_and(|b| range.contains(b)).then_some(index + 1)
    };
    match kind {
        b'[' => ends_at(2 + count(0x20..=0x3f), 0x40..=0x7e),
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let end = 2 + bytes[2..].iter().position(|b| matches!(b, b'\x07' | b'\x1b' | b'\n'))?;
            match bytes[end] {
                b'\x07' => Some(end + 1),
                b'\x1b' => ends_at(end + 1, b'\\'..=b'\\'),
                _ => None,
            }
        }
        0x20..=0x2f => ends_at(2 + count(0x20..=0x2f), 0x30..=0x7e),
        0x30..=0x7e => Some(2),
        _ => None,
    }
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + c as u32)), // ␀ to ␟
        '\x7f' => out.push('␡'),
        _ if acts(c) => write!(out, "[U+{:04X}]", c as u32).expect("a String takes all"),
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests;
