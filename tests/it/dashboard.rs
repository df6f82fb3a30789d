//! The dashboard's address: JSON as scripts rely on it, pages that nothing breaks out of, and who is let in.

use serde_json::{Value, json};

use crate::support::http::request;
use crate::support::payload::pull;
use crate::support::scene::{APP, Scene, WAITS};

/// Takes a time out of an object; it must be RFC 3339 in UTC.
#[track_caller]
fn take_time(object: &mut Value, key: &str) -> String {
    let time = object[key].take();
    let text = time.as_str().unwrap_or_else(|| panic!("{key} is {time}"));
    assert!(text.len() == 20 && humantime::parse_rfc3339(text).is_ok(), "{key} is {text}");
    text.to_owned()
}

#[test]
fn a_build_has_exactly_the_contracts_shape() {
    let scene = Scene::new(&[("lint", "true"), ("test", WAITS)]);
    let (sha, _) = scene.open(7);
    scene.cues.hear(&sha);
    let (waiting, _) = scene.open(8);
    scene.daemon.wait_build(1, "running");

    let mut build = scene.daemon.get_json("/api/v1/builds/2");
    take_time(&mut build, "queued_at");
    let check = |context| json!({"context": context, "state": "queued", "description": "Queued", "started_at": null, "finished_at": null});
    let expected = json!({"id": 2, "repository": APP, "pull": 8, "title": "Change number 8", "sha": waiting,
        "state": "queued", "reason": null, "attempt": 0, "queued_at": null, "started_at": null, "finished_at": null,
        "checks": [check("lint"), check("test")]});
    assert_eq!(build, expected);

    scene.cues.go();
    scene.shown(&sha, "test", "success");
    let mut build = scene.daemon.wait_build(1, "success");
    let times = ["queued_at", "started_at", "finished_at"].map(|key| take_time(&mut build, key));
    assert!(times.is_sorted(), "{times:?}");
    for check in build["checks"].as_array_mut().unwrap() {
        let times = ["started_at", "finished_at"].map(|key| take_time(check, key));
        assert!(times.is_sorted(), "{times:?}");
        let words = check["description"].take();
        assert!(words.as_str().unwrap().starts_with("Passed in "), "{words}");
    }
    let check = |context| json!({"context": context, "state": "success", "description": null, "started_at": null, "finished_at": null});
    let expected = json!({"id": 1, "repository": APP, "pull": 7, "title": "Change number 7", "sha": sha,
        "state": "success", "reason": null, "attempt": 1, "queued_at": null, "started_at": null, "finished_at": null,
        "checks": [check("lint"), check("test")]});
    assert_eq!(build, expected);
}

#[test]
fn builds_are_listed_newest_first_and_filtered() {
    let scene = Scene::with(&[("test", "exit $(($PILOTLIGHT_PULL_REQUEST - 1))")], |c| {
        c.repository("acme/other", "file:///nowhere", &[])
    });
    let (first, _) = scene.open(1);
    let (second, _) = scene.open(2);
    scene.shown(&first, "test", "success");
    scene.shown(&second, "test", "failure");
    scene.accepted(pull("opened", "acme/other", 1, &first, 0).fork("mallory/other"));
    scene.accepted(pull("synchronize", APP, 1, &scene.commit(1, &[]), 5));
    scene.daemon.wait_build(4, "success");
    let ids = |query: &str| -> Vec<i64> {
        let listed = scene.daemon.get_json(&format!("/api/v1/builds{query}"));
        assert_eq!(listed.as_object().unwrap().len(), 1);
        listed["builds"].as_array().unwrap().iter().map(|b| b["id"].as_i64().unwrap()).collect()
    };
    let table: &[(&str, &[i64])] = &[
        ("", &[4, 3, 2, 1]),
        ("?repository=acme/app", &[4, 2, 1]),
        ("?repository=acme%2Fother", &[3]),
        ("?repository=acme/none", &[]),
        ("?pull=1", &[4, 3, 1]),
        ("?repository=acme/app&pull=1", &[4, 1]),
        ("?state=success", &[4, 1]),
        ("?state=failure", &[2]),
        ("?state=waiting_for_approval", &[3]),
        ("?state=running", &[]),
        ("?limit=2", &[4, 3]),
        ("?before=3", &[2, 1]),
        ("?before=4&limit=1&repository=acme/app", &[2]),
        ("?pull=&limit=", &[4, 3, 2, 1]),
    ];
    for (query, expected) in table {
        assert_eq!(&ids(query), expected, "{query}");
    }
    for query in ["?state=bogus", "?limit=0", "?limit=x", "?pull=-1", "?before=x", "?repository=acme"] {
        let reply = scene.daemon.get_text(&format!("/api/v1/builds{query}"), &[]);
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.json()["result"].is_string(), "{query}");
    }
    for path in
        ["/api/v1/builds/99", "/api/v1/builds/x", "/api/v1/builds/99/log", "/api/v1/nothing", "/nothing", "/builds/99"]
    {
        assert_eq!(scene.daemon.get_text(path, &[]).status, 404, "{path}");
    }
}

#[test]
fn a_log_is_served_whole_by_check_and_by_range() {
    let scene = Scene::new(&[("one", "echo first"), ("two", "echo second; echo third")]);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "two", "success");
    let path = "/api/v1/builds/1/log";
    let whole = scene.daemon.get_text(path, &[]);
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert!(whole.text().contains("\nfirst\n") && whole.text().ends_with("second\nthird\n"), "{}", whole.text());

    let part = |query: &str, range: &str| scene.daemon.get_text(&format!("{path}{query}"), &[("Range", range)]);
    assert_eq!(scene.daemon.get_text(&format!("{path}?check=one"), &[]).text(), "first\n");
    assert_eq!(scene.daemon.get_text(&format!("{path}?check=two"), &[]).text(), "second\nthird\n");
    assert_eq!(scene.daemon.get_text(&format!("{path}?check=three"), &[]).status, 404);
    let table = [
        ("bytes=0-2", "sec", "bytes 0-2/13"),
        ("bytes=7-", "third\n", "bytes 7-12/13"),
        ("bytes=-6", "third\n", "bytes 7-12/13"),
        ("bytes=10-99", "rd\n", "bytes 10-12/13"),
    ];
    for (range, text, content_range) in table {
        let reply = part("?check=two", range);
        assert_eq!(
            (reply.status, reply.text(), reply.header("content-range")),
            (206, text, Some(content_range)),
            "{range}"
        );
    }
    let behind = part("?check=two", "bytes=13-");
    assert_eq!((behind.status, behind.header("content-range")), (416, Some("bytes */13")));
    assert_eq!(part("?check=two", "lines=1-2").status, 200);
}

#[test]
fn nothing_in_a_title_or_a_log_breaks_out_of_the_page() {
    let hostile = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\u{1b}[31m";
    let written = hostile.strip_suffix("\u{1b}[31m").expect("just written");
    let check = format!("printf '%s\\033[31m\\n' '{written}'; printf '\\377\\000\\n'");
    let scene = Scene::new(&[("<b>test</b>", &check)]);
    let sha = scene.commit(1, &[]);
    let branch = "\"><script>alert(3)</script>";
    let delivery =
        pull("opened", APP, 1, &sha, 0).with("/pull_request/title", hostile).with("/pull_request/head/ref", branch);
    scene.accepted(delivery);
    scene.shown(&sha, "<b>test</b>", "success");
    for path in ["/builds/1", "/"] {
        let page = scene.daemon.get_text(path, &[]);
        let text = page.text();
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{path} shows it as text: {text}");
        for broken in ["<script", "<img", "<b>test", "\u{1b}", "\0"] {
            assert!(!text.contains(broken), "{path} holds {broken:?}: {text}");
        }
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    // The raw log is as it was written, and no browser takes it for a page.
    let log = scene.daemon.get_text("/api/v1/builds/1/log", &[]);
    assert_eq!(
        (log.header("content-type"), log.header("x-content-type-options")),
        (Some("text/plain; charset=utf-8"), Some("nosniff"))
    );
    assert!(log.body.windows(hostile.len()).any(|w| w == hostile.as_bytes()));
}

#[test]
fn only_names_of_this_box_are_answered_to() {
    let scene = Scene::new(&[]);
    let address = scene.daemon.dashboard_address();
    let table = [
        (200, "127.0.0.1"),
        (200, "127.0.0.1:8080"),
        (200, "192.168.1.5:8080"),
        (200, "[::1]:8080"),
        (200, "localhost:1"),
        (200, "LOCALHOST"),
        (200, "box.example"),
        (200, "box.example:8080"),
        (421, "evil.example"),
        (421, "box.example.evil.example"),
        (421, "127.0.0.1.evil.example"),
        (421, "localhost.evil.example:8080"),
    ];
    for (status, host) in table {
        for path in ["/", "/api/v1/builds", "/api/v1/lights"] {
            let reply = request(address, "GET", path, &[("Host", host)], b"");
            assert_eq!(reply.status, status, "{host}{path}");
        }
    }
    // The webhooks' address is reached through a tunnel, under any name, and serves no page.
    let reply = request(scene.daemon.hooks_address(), "GET", "/api/v1/builds", &[], b"");
    assert_eq!(reply.status, 404);
}

#[test]
fn head_is_get_without_a_body_and_nothing_can_be_changed_here() {
    let scene = Scene::new(&[("test", "echo hello")]);
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "success");
    scene.daemon.wait_build(1, "success");
    let address = scene.daemon.dashboard_address();
    for path in
        ["/", "/healthz", "/builds/1", "/api/v1/builds", "/api/v1/builds/1", "/api/v1/builds/1/log", "/api/v1/lights"]
    {
        let get = request(address, "GET", path, &[], b"");
        let head = request(address, "HEAD", path, &[], b"");
        assert_eq!((get.status, head.status, head.body.len()), (200, 200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()), "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(request(address, method, path, &[], b"").status, 405, "{method} {path}");
        }
    }
    let order = json!({"command": "cancel", "build": 1}).to_string();
    let typed = [("Content-Type", "application/json")];
    for method in ["GET", "POST"] {
        let status = request(address, method, "/api/v1/commands", &typed, order.as_bytes()).status;
        assert!([404, 405].contains(&status), "{method} was answered {status}");
    }
}
