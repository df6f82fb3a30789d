//! Refusals on the wire: each of the contract's answers, the first that applies, and the daemon unharmed.

use serde_json::json;

use crate::support::config::SECRET;
use crate::support::daemon::{encode, sign};
use crate::support::http::{Reply, parse_reply, raw};
use crate::support::payload::{ping, pull};
use crate::support::scene::{APP, Scene};

/// A head with these lines, and a body behind it.
fn send(scene: &Scene, lines: &[&str], body: &[u8]) -> Reply {
    let head = lines.join("\r\n") + "\r\n\r\n";
    parse_reply(&raw(scene.daemon.hooks_address(), &[head.as_bytes(), body].concat()))
}

const POST: &str = "POST /event_handler HTTP/1.1";
const HOST: &str = "Host: box.example";
const JSON: &str = "Content-Type: application/json";

#[test]
fn the_first_refusal_that_applies_is_answered() {
    let scene = Scene::with(&[], |c| c.set("webhook.max_body", "\"1 KiB\""));
    let long = "Content-Length: 1025";
    let huge = "Content-Length: 100000000000000";
    let table: &[(u16, &[&str], &str)] = &[
        (
            404,
            &["POST /other HTTP/1.1", HOST],
            "nothing is here: the webhook's URL must end in the path that `webhook.path` names",
        ),
        (
            404,
            &["GET / HTTP/1.1", HOST],
            "nothing is here: the webhook's URL must end in the path that `webhook.path` names",
        ),
        (405, &["GET /event_handler HTTP/1.1", HOST], "only POST will do here"),
        (405, &["PUT /event_handler HTTP/1.1", HOST, long], "only POST will do here"),
        (411, &[POST, HOST, JSON], "say the body's length in Content-Length; Transfer-Encoding is not understood here"),
        (
            411,
            &[POST, HOST, JSON, "Transfer-Encoding: chunked"],
            "say the body's length in Content-Length; Transfer-Encoding is not understood here",
        ),
        (413, &[POST, HOST, long], "the body is longer than 1024 bytes"),
        (413, &[POST, HOST, JSON, huge], "the body is longer than 1024 bytes"),
        (
            415,
            &[POST, HOST, "Content-Length: 2"],
            "the content type must be application/json or application/x-www-form-urlencoded",
        ),
        (
            415,
            &[POST, HOST, "Content-Length: 2", "Content-Type: text/plain"],
            "the content type must be application/json or application/x-www-form-urlencoded",
        ),
        (
            400,
            &[POST, HOST, JSON, "Content-Length: 2", "Content-Length: 2"],
            "the request's head is malformed: Content-Length is there twice",
        ),
        (
            400,
            &[POST, HOST, JSON, "Content-Length: +2"],
            "the request's head is malformed: Content-Length is not one plain number",
        ),
    ];
    for (status, lines, result) in table {
        let reply = send(&scene, lines, b"{}");
        assert_eq!((reply.status, reply.json()), (*status, json!({"result": result})), "{lines:?}");
        assert_eq!(reply.header("allow"), (*status == 405).then_some("POST"), "{lines:?}");
    }
    let filler = format!("X-Filler: {}", "x".repeat(17 * 1024));
    assert_eq!(send(&scene, &[POST, HOST, &filler], b"").status, 431);
    assert_eq!(scene.daemon.hook("ping", &ping(APP, 1), true).0, 200, "and a delivery still works");
}

#[test]
fn what_is_not_signed_or_not_a_delivery_is_refused() {
    let scene = Scene::new(&[]);
    let payload = pull("opened", APP, 1, &scene.commit(1, &[]), 0).json();
    let (_, body) = encode(&payload, false);
    let (form, form_body) = encode(&payload, true);
    let good = sign(SECRET, &body);
    let delivery = [("X-GitHub-Event", "pull_request"), ("X-GitHub-Delivery", "0-1-2")];
    let answer = |headers: &[(&str, &str)], body: &[u8]| {
        let reply =
            scene.daemon.hook_raw(&[&[("Content-Type", "application/json")], &delivery[..], headers].concat(), body);
        (reply.status, reply.json()["result"].as_str().expect("a result").to_owned())
    };
    for headers in [&[][..], &[("X-Hub-Signature-256", &*sign("wrong", &body))], &[("X-Hub-Signature", "sha1=00")]] {
        let (status, result) = answer(headers, &body);
        assert_eq!(status, 401, "{result}");
        assert!(!result.contains(SECRET), "{result}");
    }
    // The signature covers the bytes as they came, not what they decode to.
    let as_form = [("Content-Type", form), ("X-Hub-Signature-256", &*good)];
    let reply = scene.daemon.hook_raw(&[&as_form[..], &delivery].concat(), &form_body);
    assert_eq!(reply.status, 401);
    for malformed in [&b"{"[..], b"[]", b"", br#"{"action": "opened"}"#] {
        let (status, result) = answer(&[("X-Hub-Signature-256", &sign(SECRET, malformed))], malformed);
        assert_eq!(status, 400, "{result}");
    }
    let headers =
        [("Content-Type", "application/json"), ("X-GitHub-Event", "pull_request"), ("X-Hub-Signature-256", &*good)];
    let reply = scene.daemon.hook_raw(&headers, &body);
    let words = "X-GitHub-Delivery must be there, with 1 to 128 letters, digits, _ or -";
    assert_eq!((reply.status, &reply.json()["result"]), (400, &json!(words)));

    assert_eq!(scene.daemon.get_json("/api/v1/builds"), json!({"builds": []}));
    let (status, result) = answer(&[("X-Hub-Signature-256", &*good)], &body);
    assert_eq!((status, result.as_str()), (202, "Accepted as build 1"));
}
