//! Base64 as tools wrap it: a line of nothing else that is as long as theirs goes on in the next one. Searched a second
//! time without those breaks, any form is found wherever its line ends.

/// The shortest line that tools wrap at, in characters: Ruby's. openssl and PEM have 64, base64(1) and MIME 76.
const WRAP_CHARS_MIN: usize = 60;

/// Which bytes base64 consists of, in either alphabet (RFC 4648).
const BASE64: [bool; 256] = {
    let (mut is, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        is[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        byte += 1;
    }
    is
};

/// Lines that are one, without the breaks between them.
#[derive(Default)]
pub struct Joined {
    pub text: Vec<u8>,
    /// Where each line begins: in `text`, and in the bytes that it was made of.
    lines: Vec<(usize, usize)>,
    /// Those bytes end before it does.
    pub is_open: bool,
}

impl Joined {
    /// Where in the bytes stands what is at `at` in `text`.
    pub fn place(&self, at: usize) -> usize {
        let line = self.lines.iter().rev().find(|(start, _)| *start <= at);
        line.map_or(at, |(start, place)| place + at - start)
    }

    fn add(&mut self, bytes: &[u8], from: usize, to: usize) {
        self.lines.push((self.text.len(), from));
        self.text.extend_from_slice(&bytes[from..to]);
    }
}

/// All wrapped lines in `bytes`, those that belong together as one; of the first of them as much as `reach`. In front
/// of `bytes` stand `run` characters of base64.
pub fn joined(bytes: &[u8], run: usize, reach: usize) -> Vec<Joined> {
    let (mut all, mut from) = (Vec::new(), 0);
    while let Some((start, end, mut next)) = next_wrap(bytes, from, run) {
        let mut joined = Joined::default();
        joined.add(bytes, start.max(end.saturating_sub(reach)), end);
        loop {
            from = next + run_at(&bytes[next..]);
            joined.add(bytes, next, from);
            match break_at(bytes, from) {
                Some(after) if from - next >= WRAP_CHARS_MIN => next = after,
                _ => break,
            }
        }
        joined.is_open = from == bytes.len();
        all.push(joined);
    }
    all
}

/// How many characters of base64 stand at the end of `bytes`, in front of which stand `run` of them. Beyond the
/// shortest line it makes no difference.
pub fn run_before(bytes: &[u8], run: usize) -> usize {
    let here = bytes.iter().rev().take(WRAP_CHARS_MIN).take_while(|byte| is_base64(**byte)).count();
    if here < bytes.len() { here } else { WRAP_CHARS_MIN.min(here + run) }
}

/// The next line that is wrapped: where its base64 begins and ends, and where the next line begins. Most bytes are
/// never looked at: one that is no base64 at the end of such a length rules all of it out.
fn next_wrap(bytes: &[u8], mut from: usize, run: usize) -> Option<(usize, usize, usize)> {
    loop {
        let needed = if from == 0 { WRAP_CHARS_MIN.saturating_sub(run) } else { WRAP_CHARS_MIN };
        let line = bytes.get(from..from + needed)?;
        if let Some(other) = line.iter().rposition(|byte| !is_base64(*byte)) {
            from += other + 1;
            continue;
        }
        let end = from + needed + run_at(&bytes[from + needed..]);
        if let Some(next) = break_at(bytes, end) {
            return Some((from, end, next));
        }
        from = end + 1;
    }
}

fn run_at(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is_base64(*byte)).unwrap_or(bytes.len())
}

/// What follows the break at `at`, if there is one or the beginning of one.
fn break_at(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [b'\n', ..] | [b'\r'] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    }
}

fn is_base64(byte: u8) -> bool {
    BASE64[usize::from(byte)]
}
