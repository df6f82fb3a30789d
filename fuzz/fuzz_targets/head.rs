//! The gate's reading of a head: no input breaks it, how it was cut into packets does not matter, and what is
//! handed on can't be read as anything else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight::http::head::{self, HEAD_BYTES_MAX, Head, Rules};
use pilotlight::http::message::Door;

/// As `webhook.max_body` has it by default.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    let whole = head::end_of_head(bytes, 0);
    if let Ok(Some(end)) = whole {
        assert!(end <= HEAD_BYTES_MAX && bytes[..end].ends_with(b"\r\n\r\n"));
        assert_eq!(in_packets(bytes, usize::from(step) + 1), Ok(Some(end)));
        if let Ok(head) = head::parse(&bytes[..end]) {
            check(&head, &bytes[..end]);
        }
    }
});

/// As the gate sees it, which looks after each packet.
fn in_packets(bytes: &[u8], step: usize) -> Result<Option<usize>, u16> {
    let mut seen = 0;
    while seen < bytes.len() {
        let next = (seen + step).min(bytes.len());
        match head::end_of_head(&bytes[..next], seen) {
            Ok(None) => seen = next,
            other => return other.map_err(|refusal| refusal.status),
        }
    }
    Ok(None)
}

fn check(head: &Head, bytes: &[u8]) {
    let graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(head.target.starts_with('/') && graphic(&head.target) && graphic(&head.method));
    let mut handed_on = format!("{} {} HTTP/1.1\r\n", head.method, head.target);
    for (index, (name, value)) in head.headers.iter().enumerate() {
        assert!(value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
        assert!(head.headers[..index].iter().all(|(other, _)| other != name), "{name} twice");
        assert!(!name.starts_with("x-pilotlight"));
        handed_on += &format!("{name}: {value}\r\n");
    }
    handed_on += "\r\n";
    let again = head::parse(handed_on.as_bytes()).expect("what is handed on is whole");
    assert_eq!((&again.method, &again.target, &again.headers), (&head.method, &head.target, &head.headers));
    assert_eq!(head.content_length, plain_length(bytes), "{:?}", String::from_utf8_lossy(bytes));
    for door in [Door::Webhook, Door::Dashboard, Door::Control] {
        let rules = Rules::of(door, "/event_handler", BODY_BYTES_MAX);
        match rules.judge(head) {
            Ok(length) => {
                assert!(length <= rules.body_bytes_max && !head.transfer_encoding);
                assert_eq!(length as u64, head.content_length.unwrap_or(0));
                assert!(door != Door::Webhook || (head.method == "POST" && head.path() == "/event_handler"));
            }
            Err(refusal) => assert!([404, 405, 411, 413, 415].contains(&refusal.status)),
        }
    }
}

/// Read in the most stubborn way: the one line of that name, digits alone.
fn plain_length(bytes: &[u8]) -> Option<u64> {
    let text = bytes.split(|byte| *byte == b'\n').skip(1);
    let mut lines = text.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(b"content-length").then(|| line[colon + 1..].trim_ascii())
    });
    let value = lines.next()?;
    assert!(lines.next().is_none(), "two lengths");
    assert!(!value.is_empty() && value.iter().all(u8::is_ascii_digit), "a length that is no number");
    let digits = std::str::from_utf8(value).expect("digits");
    Some(digits.parse().unwrap_or(u64::MAX))
}
