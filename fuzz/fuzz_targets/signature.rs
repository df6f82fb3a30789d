//! `X-Hub-Signature-256`: only the one right tag is let in, however it is written, and nothing breaks the check.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight::webhook::{Parts, read};
use ring::hmac;

const SECRET: &[u8] = b"It's a Secret to Everybody";
const PREFIX: &str = "sha256=";
const BODY: &[u8] = b"{}";

// An index and a byte change the right header in one place; other text stands for it as a whole.
fuzz_target!(|input: (Option<(u8, u8)>, &[u8], &str)| {
    let (change, body, free) = input;
    let right = right_header(BODY);
    if let Some((at, byte)) = change {
        let mut header = right.clone().into_bytes();
        let at = usize::from(at) % (header.len() + 1);
        header.splice(at..(at + 1).min(right.len()), [byte]);
        if let Ok(header) = std::str::from_utf8(&header) {
            judge(Some(header), BODY);
        }
    }
    judge(Some(free), body);
    judge(None, body);
    judge(Some(&right), body);
    judge(Some(&right_header(body)), body);
});

fn right_header(body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{digits}")
}

/// 401 unless the header is right; what follows the signature may refuse it with 400.
fn judge(header: Option<&str>, body: &[u8]) {
    let parts = Parts {
        content_type: Some("application/json"),
        event: Some("ping"),
        guid: Some("0-1"),
        signature: header,
        body,
        ..Parts::default()
    };
    let right = right_header(body);
    // The digits may be written in either case, the prefix may not.
    let good = header.is_some_and(|header| header.starts_with(PREFIX) && header.eq_ignore_ascii_case(&right));
    let refused = read(SECRET, &parts).err().map(|refusal| refusal.status);
    assert_eq!(refused == Some(401), !good, "{header:?} for {body:?}: {refused:?}");
    assert_eq!(read(b"", &parts).err().map(|refusal| refusal.status), Some(401), "an empty secret fits nothing");
}
