mod comments;

use ring::hmac;
use serde_json::{Value, json};

use super::{Parts, Refusal, read};
use crate::logic::event::{
    Comment, Delivery, DeliveryKey, Hook, PullAction, PullPayload, Shown, StatusPayload, StatusState, Word,
};
use crate::logic::identity::Identity;
use crate::logic::names::hex;

const SECRET: &[u8] = b"It's a Secret to Everybody";
const SHA: &str = "00112233445566778899AABBCCDDEEFF00112233";

fn sign(body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), body);
    format!("sha256={}", hex(tag.as_ref()))
}

fn parts<'a>(signature: &'a str, body: &'a [u8]) -> Parts<'a> {
    Parts {
        content_type: Some("application/json"),
        event: Some("pull_request"),
        guid: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        hook_id: Some("42"),
        signature: Some(signature),
        body,
    }
}

/// The answer to a signed body, after `change` was made to the headers.
fn answer(body: &[u8], change: impl FnOnce(&mut Parts)) -> Result<Delivery, Refusal> {
    let signature = sign(body);
    let mut parts = parts(&signature, body);
    change(&mut parts);
    read(SECRET, &parts)
}

fn payload() -> Value {
    json!({
        "action": "synchronize", "number": 7, "before": "b".repeat(40), "unknown": {"deep": [[[1]]]},
        "repository": {"full_name": "acme/app", "id": 1},
        "pull_request": {
            "title": "Make it\u{7} \u{202e}blue", "state": "open", "updated_at": "2026-01-01T00:00:00Z",
            "head": {"ref": "topic", "sha": SHA, "repo": {"full_name": "fork_er/app.rs"}},
            "base": {"ref": "main"},
        },
    })
}

/// What becomes of the good payload with one value changed.
fn with(pointer: &str, value: Value) -> Result<Hook, String> {
    let mut payload = payload();
    *payload.pointer_mut(pointer).expect("the test names a value") = value;
    let answer = answer(payload.to_string().as_bytes(), |_| {});
    answer.map(|delivery| delivery.hook).map_err(|refusal| format!("{} {}", refusal.status, refusal.message))
}

fn app(id: Option<u64>) -> Identity {
    Identity { name: "acme/app".into(), id }
}

fn pull(hook: Result<Hook, String>) -> PullPayload {
    match hook {
        Ok(Hook::Pull(pull)) => *pull,
        other => panic!("not a pull request: {other:?}"),
    }
}

#[test]
fn githubs_own_test_vector_holds() {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(sign(b"Hello, World!"), signature);
    assert_eq!(super::signature::verify(SECRET, Some(signature), b"Hello, World!"), Ok(()));
    let upper = signature.replace("757107ea", "757107EA");
    assert_eq!(super::signature::verify(SECRET, Some(&upper), b"Hello, World!"), Ok(()));
    assert!(super::signature::verify(SECRET, Some(signature), b"Hello, World?").is_err());
    let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), b"x");
    assert!(
        super::signature::verify(b"", Some(&format!("sha256={}", hex(key.as_ref()))), b"x").is_err(),
        "an empty secret"
    );
}

#[test]
fn an_unsigned_request_is_told_the_cure_before_anything_else() {
    let good = sign(b"junk");
    let table = [
        (None, "X-Hub-Signature-256 is missing"),
        (Some(String::new()), "must be sha256="),
        (Some(good.replace("sha256=", "sha1=")), "must be sha256="),
        (Some(good[..70].to_owned()), "must be sha256="),
        (Some(format!("{good}0")), "must be sha256="),
        (Some(format!("sha256={}", "g".repeat(64))), "must be sha256="),
        (Some(format!("sha256={}", "é".repeat(32))), "must be sha256="),
        (Some(format!("sha256={}", "0".repeat(64))), "differs from pilotlight's webhook secret"),
        (Some(sign(b"other")), "differs from pilotlight's webhook secret"),
    ];
    for (signature, words) in table {
        // No GUID, no event, no JSON: none of that is mentioned.
        let parts = Parts { signature: signature.as_deref(), body: b"junk", ..Parts::default() };
        let refusal = read(SECRET, &parts).expect_err("it is not signed");
        assert_eq!(refusal.status, 401, "{signature:?}");
        assert!(refusal.message.contains(words), "{signature:?}: {}", refusal.message);
    }
}

#[test]
fn a_pull_request_is_cut_down_to_what_decides() {
    let delivery = answer(payload().to_string().as_bytes(), |_| {}).expect("it is good");
    let guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned();
    assert_eq!(delivery.key, DeliveryKey { guid, hook_id: 42 });
    let expected = PullPayload {
        action: PullAction::Synchronize,
        repository: app(Some(1)),
        number: 7,
        title: "Make it blue".into(),
        head_sha: SHA.to_ascii_lowercase(),
        head_ref: "topic".into(),
        head_repository: Some("fork_er/app.rs".into()),
        base_ref: "main".into(),
        open: true,
        updated_at: 1_767_225_600,
        before: Some("b".repeat(40)),
    };
    assert_eq!(delivery.hook, Hook::Pull(Box::new(expected)));
}

#[test]
fn a_status_is_cut_down_to_what_decides() {
    let payload = |change: &dyn Fn(&mut Value)| {
        let mut payload = json!({
            "id": 6_805_126_730_u64, "sha": SHA, "name": "acme/app", "context": "ci/travis\u{202e}\n", "state": "success",
            "description": null, "target_url": "https://travis.example/7", "branches": [], "commit": {"sha": SHA},
            "repository": {"id": 5, "full_name": "acme/app"}, "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T01:00:00+01:00",
        });
        change(&mut payload);
        let answer = answer(payload.to_string().as_bytes(), |parts| parts.event = Some("status"));
        answer.map(|delivery| delivery.hook).map_err(|refusal| format!("{} {}", refusal.status, refusal.message))
    };
    let shown = Shown {
        context: "ci/travis".into(),
        state: StatusState::Success,
        description: String::new(),
        updated_at: 1_767_225_600,
        id: 6_805_126_730,
    };
    let expected = StatusPayload { repository: app(Some(5)), sha: SHA.to_ascii_lowercase(), shown };
    assert_eq!(payload(&|_| {}), Ok(Hook::Status(Box::new(expected))));
    let table: [(&str, Value, &str); 5] = [
        ("sha", json!("main"), "400 sha is not a commit: 40 or 64 hex digits"),
        ("state", json!("great"), "400 the payload can't be understood: unknown variant `great`"),
        ("updated_at", json!("soon"), "400 updated_at is not a time like 2026-01-01T00:00:00Z"),
        ("repository", json!({"full_name": ".."}), "400 repository.full_name is not the name of a repository"),
        ("id", json!(-1), "400 the payload can't be understood: invalid value"),
    ];
    for (key, value, words) in table {
        let told = payload(&|payload| payload[key] = value.clone()).expect_err(key);
        assert!(told.starts_with(words), "{key}: {told}");
    }
}

#[test]
fn a_form_is_signed_as_it_came_and_then_decoded() {
    let json = payload().to_string();
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
    let plain = answer(json.as_bytes(), |_| {});
    let from_form = |form: &str| {
        answer(form.as_bytes(), |parts| {
            parts.content_type = Some("Application/X-WWW-Form-Urlencoded; charset=utf-8");
        })
    };
    assert_eq!(from_form(&form), plain);
    let refusal = from_form("pay=load").expect_err("there is no payload");
    assert_eq!((refusal.status, &*refusal.message), (400, "the form has no field `payload`"));
}

#[test]
fn headers_are_checked() {
    let body = payload().to_string();
    type Change = fn(&mut Parts);
    let table: [(Change, &str); 10] = [
        (|parts| parts.guid = None, "X-GitHub-Delivery must"),
        (|parts| parts.guid = Some(""), "X-GitHub-Delivery must"),
        (|parts| parts.guid = Some("a b"), "X-GitHub-Delivery must"),
        (|parts| parts.guid = Some("../x"), "X-GitHub-Delivery must"),
        (|parts| parts.guid = Some(LONG), "X-GitHub-Delivery must"),
        (|parts| parts.event = None, "X-GitHub-Event must"),
        (|parts| parts.event = Some("a\tb"), "X-GitHub-Event must"),
        (|parts| parts.hook_id = Some(""), "X-GitHub-Hook-ID must be a number"),
        (|parts| parts.hook_id = Some("+5"), "X-GitHub-Hook-ID must be a number"),
        (|parts| parts.hook_id = Some("9223372036854775808"), "X-GitHub-Hook-ID must be a number"),
    ];
    for (change, words) in table {
        let refusal = answer(body.as_bytes(), change).expect_err(words);
        assert_eq!(refusal.status, 400);
        assert!(refusal.message.starts_with(words), "{}", refusal.message);
    }
    let delivery = answer(body.as_bytes(), |parts| parts.hook_id = None).expect("the id may be missing");
    assert_eq!(delivery.key.hook_id, 0);
}

/// 129 bytes.
const LONG: &str = concat!(
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx"
);

/// Where, what stands there instead, how the answer begins.
const MALFORMED: &str = r#"
/number | "7" | 400 the payload can't be understood: invalid type: string "7", expected u64 at line 1 column
/number | 0 | 400 number is not the number of a pull request
/number | 18446744073709551615 | 400 number is not the number of a pull request
/number | -1 | 400 the payload can't be understood: invalid value: integer `-1`, expected u64
/action | null | 400 the payload can't be understood: invalid type: null, expected a string
/pull_request/head | {"ref": "x"} | 400 the payload can't be understood: missing field `sha`
/pull_request/head/sha | "1234" | 400 pull_request.head.sha is not a commit: 40 or 64 hex digits
/pull_request/head/sha | "éééééééééééééééééééé" | 400 pull_request.head.sha is not a commit
/before | "zzz" | 400 before is not a commit: 40 or 64 hex digits
/pull_request/head/ref | "LONG" | 400 pull_request.head.ref is longer than 1024 bytes
/pull_request/base/ref | "LONG" | 400 pull_request.base.ref is longer than 1024 bytes
/repository/id | "1" | 400 the payload can't be understood: invalid type: string "1", expected u64
/repository/id | -1 | 400 the payload can't be understood: invalid value: integer `-1`, expected u64
/repository/id | 1.5 | 400 the payload can't be understood: invalid type: floating point `1.5`, expected u64
/repository/id | 18446744073709551616 | 400 the payload can't be understood: invalid type: floating point
/repository/full_name | "acme" | 400 repository.full_name is not the name of a repository, like owner/name
/repository/full_name | "acme/.." | 400 repository.full_name is not the name
/repository/full_name | "../app" | 400 repository.full_name is not the name
/repository/full_name | "-x/app" | 400 repository.full_name is not the name
/repository/full_name | "a/b/c" | 400 repository.full_name is not the name
/repository/full_name | "acme/a b" | 400 repository.full_name is not the name
/pull_request/head/repo/full_name | "x" | 400 pull_request.head.repo.full_name is not the name
/pull_request/updated_at | "yesterday" | 400 pull_request.updated_at is not a time like 2026-01-01T00:00:00Z
/pull_request/updated_at | "1969-01-01T00:00:00Z" | 400 pull_request.updated_at is not a time
/pull_request/updated_at | "2026-13-01T00:00:00Z" | 400 pull_request.updated_at is not a time
/pull_request/updated_at | "2026-01-01T00:00:00+2:00" | 400 pull_request.updated_at is not a time
/pull_request/updated_at | "2026-01-01T00:00:00+25:00" | 400 pull_request.updated_at is not a time
/pull_request/updated_at | "2026-01-01T00:00:0é0+02:00" | 400 pull_request.updated_at is not a time
"#;

#[test]
fn malformed_payloads_are_refused_by_name() {
    for line in MALFORMED.trim().lines() {
        let [pointer, value, words] = *line.split(" | ").collect::<Vec<_>>() else { panic!("{line}") };
        let value = value.replace("LONG", &"r".repeat(1025));
        let refusal = with(pointer, serde_json::from_str(&value).expect("JSON")).expect_err(line);
        assert!(refusal.starts_with(words), "{line}: {refusal}");
    }
}

#[test]
fn bodies_that_are_no_object_are_refused_for_every_event() {
    let deep = format!("{{\"repository\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let doubled = payload().to_string().replacen("{\"", "{\"number\": 1, \"number\": 2, \"", 1);
    let bodies: [&[u8]; 8] =
        [b"", b"[]", b"null", b"\"x\"", b"{", b"{\"a\":\xff\"}", deep.as_bytes(), doubled.as_bytes()];
    for body in bodies {
        let refusal = answer(body, |_| {}).expect_err("no pull request");
        assert_eq!(refusal.status, 400, "{}", refusal.message);
        assert!(refusal.message.chars().count() < 300);
    }
    for event in ["ping", "push"] {
        for body in &bodies[..6] {
            let refusal = answer(body, |parts| parts.event = Some(event)).expect_err(event);
            assert_eq!(refusal.status, 400, "{}", refusal.message);
        }
    }
}

#[test]
fn other_events_need_only_be_json() {
    let hook = |event| answer(b" {\"zen\": \"x\"}", |parts| parts.event = Some(event)).expect(event).hook;
    assert_eq!(hook("ping"), Hook::Ping);
    assert_eq!(hook("push"), Hook::Other { event: "push".into() });
}

#[test]
fn values_vary_as_githubs_do() {
    assert_eq!(pull(with("/pull_request/head/repo", Value::Null)).head_repository, None);
    assert_eq!(pull(with("/repository/id", Value::Null)).repository, app(None));
    assert_eq!(pull(with("/repository/id", json!(u64::MAX))).repository.id, Some(u64::MAX));
    assert!(!pull(with("/pull_request/state", json!("closed"))).open);
    assert_eq!(pull(with("/pull_request/title", json!("é".repeat(300)))).title, "é".repeat(256));
    assert_eq!(pull(with("/pull_request/head/ref", json!("a\u{1b}[31mb\n"))).head_ref, "a[31mb");
    assert_eq!(pull(with("/pull_request/base/ref", json!("👩\u{200d}💻"))).base_ref, "👩\u{200d}💻");
    assert_eq!(pull(with("/pull_request/title", json!("a\u{200b}\u{feff}b"))).title, "ab");
    let long = "ab".repeat(32);
    assert_eq!(pull(with("/pull_request/head/sha", json!(long))).head_sha, long);
    let times = [
        ("2026-01-01T00:00:00Z", 1_767_225_600),
        ("2026-01-01T00:00:00.987Z", 1_767_225_600),
        ("2026-01-01T00:00:00+00:00", 1_767_225_600),
        ("2026-01-01T02:00:00+02:00", 1_767_225_600),
        ("2025-12-31T18:30:00-05:30", 1_767_225_600),
    ];
    for (text, seconds) in times {
        assert_eq!(pull(with("/pull_request/updated_at", json!(text))).updated_at, seconds, "{text}");
    }
}

#[test]
fn a_list_tells_of_each_entry_whose_it_is() {
    let mut entry = payload()["pull_request"].clone();
    entry["number"] = json!(7);
    let of = |repo: Value| {
        let mut entry = entry.clone();
        entry["base"]["repo"] = repo;
        let listed = super::list("acme/app", &json!([entry]).to_string()).expect("a list");
        listed.first().map(|pull| pull.repository.clone())
    };
    assert_eq!(of(json!({"full_name": "acme/app", "id": 99})), Some(app(Some(99))), "another one of that name");
    let renamed = Identity { name: "acme/web".into(), id: Some(1) };
    assert_eq!(of(json!({"full_name": "acme/web", "id": 1})), Some(renamed));
    assert_eq!(of(Value::Null), Some(app(None)), "it has the name by which was asked");
    assert_eq!(of(json!({"full_name": "acme/app", "id": "99"})), None, "what can't be understood is left out");
}

#[test]
fn actions_are_told_apart() {
    let action = |name: &str| pull(with("/action", json!(name))).action;
    assert_eq!(action("opened"), PullAction::Opened);
    assert_eq!(action("reopened"), PullAction::Reopened);
    assert_eq!(action("ready_for_review"), PullAction::ReadyForReview);
    assert_eq!(action("closed"), PullAction::Closed);
    assert_eq!(action("edited"), PullAction::Edited { new_base: false });
    assert_eq!(action("labe\u{0}led"), PullAction::Other("labeled".into()));
    let edited = |changes: Value| {
        let mut payload = payload();
        payload["action"] = json!("edited");
        payload["before"] = json!("not read");
        payload["changes"] = changes;
        pull(answer(payload.to_string().as_bytes(), |_| {}).map(|delivery| delivery.hook).map_err(|r| r.message))
    };
    let with_base = edited(json!({"base": {"ref": {"from": "old"}}}));
    assert_eq!((with_base.action, with_base.before), (PullAction::Edited { new_base: true }, None));
    assert_eq!(edited(json!({"title": {"from": "x"}})).action, PullAction::Edited { new_base: false });
}
