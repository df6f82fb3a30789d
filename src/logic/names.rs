//! What names a repository, a head and a hash.

use std::fmt::Write;

/// The longest name of an owner or a repository, in bytes; GitHub's limits are 39 and 100.
const NAME_BYTES_MAX: usize = 100;

/// The fewest digits of a sha that name a head: as many as GitHub shows.
pub const SHA_DIGITS_MIN: usize = 7;

/// The digits of a whole sha: SHA-1's, or SHA-256's.
const SHA_DIGITS: [usize; 2] = [40, 64];

/// `owner/name`, in the characters that GitHub allows: it becomes a part of paths and URLs.
pub fn is_full_name(text: &str) -> bool {
    text.split_once('/').is_some_and(|(owner, name)| {
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        is_login(owner) && !owner.starts_with('-') && is_name && name != "." && name != ".."
    })
}

/// Letters, digits, `-`, and `_` where a company manages its accounts. An app's name ends in `[bot]` and is none.
pub fn is_login(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(known)
}

/// A whole sha.
pub fn is_sha(text: &str) -> bool {
    SHA_DIGITS.contains(&text.len()) && is_first_digits(text)
}

/// As many first digits of a sha as name a head, or all of them.
pub fn is_first_digits(text: &str) -> bool {
    (SHA_DIGITS_MIN..=SHA_DIGITS[1]).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Two small digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a String takes all");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digits() {
        let (long, sha) = ("a".repeat(NAME_BYTES_MAX), "1a".repeat(20));
        let good = ["acme/app".to_owned(), "A-1_b/.github".to_owned(), format!("{long}/{long}")];
        assert!(good.iter().all(|name| is_full_name(name)), "{good:?}");
        let bad = "|acme|/|acme/|/app|a/b/c|acme/.|acme/..|../app|-x/app|a.b/app|acme/a b|acme/ä|acme/a\u{200b}p";
        assert!(!bad.split('|').any(is_full_name), "{bad}");
        assert!(!is_full_name(&format!("acme/a{long}")) && !is_full_name(&format!("a{long}/app")));
        assert!(is_sha(&sha) && is_sha(&"F0".repeat(32)) && is_first_digits("1a2b3c4") && is_first_digits(&sha));
        let none = ["", "1a2b3c", "zzzzzzz", "é1a2b3c"];
        assert!(!none.iter().any(|text| is_first_digits(text) || is_sha(text)) && !is_sha("1a2b3c4"));
        assert!(!is_first_digits(&"1".repeat(65)) && !is_sha(&"1".repeat(41)) && !is_sha(&"é".repeat(20)));
        assert_eq!(hex(&[0, 0x0a, 0xff]), "000aff");
    }
}
