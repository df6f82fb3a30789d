//! A delivery whose signature is right: no payload breaks the reading of it, what comes out is safe to use in paths,
//! URLs and on pages, and a form says the same as the JSON in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight::logic::event::{Comment, Hook, PullPayload, Word};
use pilotlight::webhook::{Parts, Refusal, read};
use ring::hmac;

const SECRET: &[u8] = b"secret";
const FORM: &str = "application/x-www-form-urlencoded";
const EVENTS: [&str; 4] = ["pull_request", "ping", "push", "issue_comment"];

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, body) = input;
    let event = EVENTS[usize::from(kind >> 1) % EVENTS.len()];
    if kind & 1 == 1 {
        check(&delivered(event, FORM, body));
        return;
    }
    let plain = delivered(event, "application/json", body);
    check(&plain);
    if let Ok(text) = std::str::from_utf8(body) {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("payload", text).finish();
        assert_eq!(delivered(event, FORM, form.as_bytes()), plain);
    }
});

fn delivered(event: &str, content_type: &str, body: &[u8]) -> Result<Hook, Refusal> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("sha256={digits}");
    let parts = Parts {
        content_type: Some(content_type),
        event: Some(event),
        guid: Some("0-1"),
        hook_id: Some("7"),
        signature: Some(&signature),
        body,
    };
    read(SECRET, &parts).map(|delivery| delivery.hook)
}

fn check(read: &Result<Hook, Refusal>) {
    match read {
        Ok(Hook::Pull(pull)) => check_pull(pull),
        Ok(Hook::Comment(comment)) => check_comment(comment),
        Ok(Hook::Status(status)) => {
            assert!(matches!(status.sha.len(), 40 | 64) && status.repository.name.contains('/'));
            assert!(!status.shown.context.contains(|c: char| c.is_control()), "{:?}", status.shown.context);
        }
        Ok(_) => {}
        Err(refusal) => {
            assert_eq!(refusal.status, 400, "{refusal:?}");
            assert!(refusal.message.len() < 1024 && !refusal.message.contains(|c: char| c.is_control()));
        }
    }
}

fn check_comment(comment: &Comment) {
    check_name(&comment.repository.name);
    assert!((1..=i64::MAX as u64).contains(&comment.number));
    let login = &comment.by;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    assert!((1..=100).contains(&login.len()) && login.chars().all(fits), "{login}");
    if let Word::Approve(Some(sha)) = &comment.word {
        let digits = sha.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        assert!((7..=64).contains(&sha.len()) && digits, "{sha}");
    }
}

fn check_name(name: &str) {
    let (owner, repository) = name.split_once('/').expect("owner/name");
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    assert!(!owner.is_empty() && owner.chars().all(fits) && !owner.starts_with(['-', '.']), "{name}");
    assert!(!["", ".", ".."].contains(&repository) && repository.chars().all(fits), "{name}");
}

fn check_pull(pull: &PullPayload) {
    for name in [Some(&pull.repository.name), pull.head_repository.as_ref()].into_iter().flatten() {
        check_name(name);
    }
    for sha in [Some(&pull.head_sha), pull.before.as_ref()].into_iter().flatten() {
        assert!(matches!(sha.len(), 40 | 64), "{sha}");
        assert!(sha.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{sha}");
    }
    assert!((1..=i64::MAX as u64).contains(&pull.number));
    for text in [&pull.title, &pull.head_ref, &pull.base_ref] {
        assert!(text.len() <= 1024 && !text.contains(|c: char| c.is_control()), "{text:?}");
    }
}
