//! The forms that a secret commonly takes in output.

use crate::logic::secret::Secret;

/// The shortest secret, in bytes. Shorter ones stand in ordinary output by chance: stars all over would tell them.
pub const SECRET_BYTES_MIN: usize = 6;

/// The shortest line of a longer secret that is masked by itself, in bytes: a lone brace is none.
const LINE_BYTES_MIN: usize = 8;

/// Where tools break base64, in characters: openssl and PEM, and base64(1).
const WRAPS: [usize; 2] = [64, 76];

/// What is left as it is, beside letters and digits, and whether a space becomes a plus: by RFC 3986; with the slashes
/// of a path; by encodeURIComponent, encodeURI and the forms of browsers.
const URLS: [(&[u8], bool); 5] =
    [(b"-_.~", false), (b"-_.~/", false), (b"-_.!~*'()", false), (b"-_.!~*'();/?:@&=+$,#", false), (b"-_.*", true)];

/// How a shell writes a quote inside of quotes: by hand and in bash's traces; in dash's traces and by Python's shlex.
const QUOTES: [&str; 2] = ["'\\''", "'\"'\"'"];

const DIGITS: [&[u8; 16]; 2] = [b"0123456789ABCDEF", b"0123456789abcdef"];

/// The last two characters of the standard base64 alphabet and of that for URLs (RFC 4648).
const BASE64_ENDS: [[u8; 2]; 2] = [*b"+/", *b"-_"];

/// All forms of all secrets, each once, in order.
pub fn of<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for secret in secrets {
        parts(secret.expose()).for_each(|part| spell(part, &mut forms));
        for end in BASE64_ENDS {
            let whole = base64(secret.expose().as_bytes(), 0, end);
            let lines = WRAPS.iter().flat_map(|wrap| whole.chunks(*wrap));
            forms.extend(lines.filter(|line| line.len() >= LINE_BYTES_MIN).map(<[u8]>::to_vec));
        }
    }
    forms.retain(|form| form.len() >= SECRET_BYTES_MIN);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The whole, and its lines, also where they are joined by `\n` as in the keys of a JSON file.
fn parts(secret: &str) -> impl Iterator<Item = &str> {
    let lines = secret.split(['\n', '\r']).flat_map(|line| line.split("\\n")).map(str::trim);
    [secret, secret.trim()].into_iter().chain(lines.filter(|line| line.len() >= LINE_BYTES_MIN))
}

fn spell(part: &str, forms: &mut Vec<Vec<u8>>) {
    let bytes = part.as_bytes();
    forms.push(bytes.to_vec());
    if let Some(json) = serde_json::to_string(part).ok().as_deref().and_then(|json| json.get(1..json.len() - 1)) {
        forms.push(json.as_bytes().to_vec());
    }
    forms.extend(QUOTES.map(|quote| part.replace('\'', quote).into_bytes()));
    for (kept, plus) in URLS {
        forms.extend(DIGITS.map(|digits| url(bytes, kept, plus, digits)));
    }
    for end in BASE64_ENDS {
        forms.extend([0, 1, 2].map(|before| base64(bytes, before, end)));
    }
}

fn url(bytes: &[u8], kept: &[u8], plus: bool, digits: &[u8; 16]) -> Vec<u8> {
    let letter = |byte: &u8| match byte {
        b' ' if plus => vec![b'+'],
        byte if byte.is_ascii_alphanumeric() || kept.contains(byte) => vec![*byte],
        byte => vec![b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]],
    };
    bytes.iter().flat_map(letter).collect()
}

/// Of `bytes` with `before` others in front of them: those characters that depend on `bytes` alone.
pub fn base64(bytes: &[u8], before: usize, end: [u8; 2]) -> Vec<u8> {
    let padded = [&[0; 2][..before], bytes, &[0]].concat();
    let (first, last) = ((8 * before).div_ceil(6), 8 * (before + bytes.len()) / 6);
    let six = |n: usize| {
        let (at, bit) = (6 * n / 8, 6 * n % 8);
        (u16::from_be_bytes([padded[at], padded[at + 1]]) >> (10 - bit)) as u8 & 63
    };
    let letter = |six: u8| match six {
        0..26 => b'A' + six,
        26..52 => b'a' + six - 26,
        52..62 => b'0' + six - 52,
        _ => end[usize::from(six - 62)],
    };
    (first..last).map(|n| letter(six(n))).collect()
}
