//! JSON, logs and commands.

use super::super::log::{Wanted, wanted};
use super::*;

#[test]
fn a_build_in_json() {
    let house = House::new(&[failed(3), build(4)]);
    expect![[r#"{"id":3,"repository":"acme/app","pull":7,"title":"Add a door","sha":"1a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d","state":"failure","reason":"Failed in 41s: exit code 2","attempt":1,"queued_at":"2026-11-22T17:24:01Z","started_at":"2026-11-22T17:24:03Z","finished_at":"2026-11-22T17:24:46Z","checks":[{"context":"pilotlight/lint","state":"success","description":"Passed in 2s","started_at":"2026-11-22T17:24:03Z","finished_at":"2026-11-22T17:24:05Z"},{"context":"pilotlight/test","state":"failure","description":"Failed in 41s: exit code 2","started_at":"2026-11-22T17:24:05Z","finished_at":"2026-11-22T17:24:46Z"}]}"#]].assert_eq(&house.get("/api/v1/builds/3").body);
    let queued = house.get("/api/v1/builds/4").json();
    for name in ["reason", "started_at", "finished_at"] {
        assert!(queued.get(name).unwrap().is_null(), "{name}");
    }
}

#[test]
fn times_that_no_calendar_has() {
    assert_eq!(json::time(-1), "1970-01-01T00:00:00Z");
    assert_eq!(json::time(i64::MAX), "9999-12-31T23:59:59Z");
}

#[test]
fn builds_that_fit() {
    let other = Build { repository: "acme/site".to_owned(), pull: 8, ..build(202) };
    let house = House::new(&(1..=201).map(failed).chain([other, build(203)]).collect::<Vec<_>>());
    let ids = |query: &str| -> Vec<i64> {
        let answered = house.get(&format!("/api/v1/builds?{query}")).json();
        answered["builds"].as_array().unwrap().iter().map(|b| b["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids("limit=3"), [203, 202, 201]);
    assert_eq!(ids("limit=2&before=7"), [6, 5]);
    assert_eq!(ids("repository=Acme%2Fsite"), [202]);
    assert_eq!(ids("repository=acme/app&pull=7&state=queued"), [203]);
    assert_eq!(ids("pull=8"), [202]);
    assert_eq!(ids("pull=9"), [0; 0]);
    assert_eq!(ids("utm_source=mail&before=3"), [2, 1]);
    assert_eq!(ids("").len(), 50);
    assert_eq!(ids("repository=&pull=&state=&limit=&before=").len(), 50);
    assert_eq!(ids("limit=200").len(), 200);
}

#[test]
fn queries_that_do_not_fit() {
    let house = House::new(&[]);
    let states = "waiting_for_approval, queued, running, success, failure, error, cancelled";
    for (query, what_fits) in [
        ("pull=x", "the number of a pull request, like 7"),
        ("pull=-1", "the number of a pull request, like 7"),
        ("pull=99999999999999999999", "the number of a pull request, like 7"),
        ("repository=app", "owner and name, like acme/app"),
        ("repository=a/b/c", "owner and name, like acme/app"),
        ("state=green", &format!("one of {states}")),
        ("before=1e3", "the id of a build, like 42"),
        ("limit=0", "a number from 1 to 200"),
        ("limit=201", "a number from 1 to 200"),
    ] {
        let (name, value) = query.split_once('=').unwrap();
        let answered = house.get(&format!("/api/v1/builds?{query}"));
        assert_eq!(answered.status, 400, "{query}");
        assert_eq!(answered.json()["result"], format!("`{name}` is {what_fits}, not `{value}`"));
        assert_eq!(house.get(&format!("/?{query}")).status, 400, "{query}");
    }
}

#[test]
fn ranges() {
    let huge = "99999999999999999999999";
    for (range, length, expected) in [
        ("bytes=0-4", 10, Wanted::Part(0, 5)),
        ("bytes=3-", 10, Wanted::Part(3, 10)),
        ("bytes=9-9", 10, Wanted::Part(9, 10)),
        ("bytes=0-99", 10, Wanted::Part(0, 10)),
        (&format!("bytes=2-{huge}"), 10, Wanted::Part(2, 10)),
        ("bytes=-3", 10, Wanted::Part(7, 10)),
        ("bytes=-99", 10, Wanted::Part(0, 10)),
        ("Bytes= 1-2 ", 10, Wanted::Part(1, 3)),
        ("bytes=10-", 10, Wanted::Nothing),
        ("bytes=10-12", 10, Wanted::Nothing),
        (&format!("bytes={huge}-"), 10, Wanted::Nothing),
        ("bytes=-0", 10, Wanted::Nothing),
        ("bytes=0-", 0, Wanted::Nothing),
        ("bytes=-5", 0, Wanted::Whole),
        ("bytes=5-2", 10, Wanted::Whole),
        ("bytes=0-1,4-5", 10, Wanted::Whole),
        ("bytes=-", 10, Wanted::Whole),
        ("bytes=", 10, Wanted::Whole),
        ("bytes=a-b", 10, Wanted::Whole),
        ("bytes=1-b", 10, Wanted::Whole),
        ("bytes=+1-2", 10, Wanted::Whole),
        ("bytes=1--2", 10, Wanted::Whole),
        ("bytes 1-2", 10, Wanted::Whole),
        ("lines=1-2", 10, Wanted::Whole),
        ("", 10, Wanted::Whole),
    ] {
        assert_eq!(wanted(range, length), expected, "{range} of {length}");
    }
}

#[test]
fn logs_and_their_parts() {
    let house = House::new(&[failed(3), running(4)]);
    house.write_log(3, b"lint\ntest\n");
    house.write_log(4, b"lint\ntest so far");
    for (target, range, status, content_range, body) in [
        ("3/log", None, 200, None, "lint\ntest\n"),
        ("3/log?check=", None, 200, None, "lint\ntest\n"),
        ("3/log?check=pilotlight/lint", None, 200, None, "lint\n"),
        ("3/log?check=Pilotlight%2Ftest", None, 200, None, "test\n"),
        ("4/log?check=pilotlight/test", None, 200, None, "test so far"),
        ("3/log", Some("bytes=2-5"), 206, Some("bytes 2-5/10"), "nt\nt"),
        ("3/log?check=pilotlight/test", Some("bytes=1-"), 206, Some("bytes 1-4/5"), "est\n"),
        ("4/log?check=pilotlight/test", Some("bytes=-3"), 206, Some("bytes 8-10/11"), "far"),
        ("3/log", Some("bytes=0-1,3-4"), 200, None, "lint\ntest\n"),
    ] {
        let answered = house.ask(&Asked { range, ..get(&format!("/api/v1/builds/{target}")) });
        assert_eq!((answered.status, answered.header("Content-Range"), &*answered.body), (status, content_range, body));
        assert_eq!(answered.content_type, "text/plain; charset=utf-8");
        assert_eq!(answered.header("Accept-Ranges"), Some("bytes"));
    }
    let behind = house.ask(&Asked { range: Some("bytes=10-"), ..get("/api/v1/builds/3/log") });
    assert_eq!((behind.status, behind.header("Content-Range")), (416, Some("bytes */10")));
    let head = house.ask(&Asked { method: "HEAD", range: Some("bytes=2-5"), ..get("/api/v1/builds/3/log") });
    assert_eq!(head.status, 200);
    let unknown = house.get("/api/v1/builds/3/log?check=lint").json();
    assert_eq!(unknown["result"], "Build 3 has no check `lint`: it has `pilotlight/lint`, `pilotlight/test`");
    house.write_log(3, b"lint\nte");
    assert_eq!(house.get("/api/v1/builds/3/log?check=pilotlight/test").body, "te", "cut short by a full disk");
}

#[test]
fn logs_that_are_not_there() {
    let never_ran = Build { state: BuildState::Cancelled, finished_at: Some(1), ..build(2) };
    let house = House::new(&[never_ran, failed(3), build(4)]);
    for (id, status, body) in [
        (2, 404, "{\"result\":\"Build 2 never ran: it has no log\"}"),
        (3, 404, "{\"result\":\"The log of build 3 is no longer on the disk\"}"),
        (4, 200, ""),
    ] {
        let answered = house.get(&format!("/api/v1/builds/{id}/log"));
        assert_eq!((answered.status, &*answered.body), (status, body));
        assert_eq!(house.get(&format!("/builds/{id}")).status, 200);
    }
    assert!(house.get("/builds/3").body.contains("<bdi>The log of build 3 is no longer on the disk</bdi>"));
    assert!(house.get("/builds/4").body.contains("Nothing was written so far."));
}

#[test]
fn commands() {
    let house = House::new(&[failed(3)]);
    let (repository, pull) = ("acme/app".to_owned(), 7);
    let rebuild = |sha| Command::Rebuild { repository: repository.clone(), pull, sha };
    let approve = |sha| Command::Approve { repository: repository.clone(), pull, sha };
    for (body, expected) in [
        (r#"{"command":"rebuild","build":3}"#, rebuild(Some(SHA.to_owned()))),
        (r#"{"command":"rebuild","repository":"acme/app","pull":7}"#, rebuild(None)),
        (r#"{"command":"approve","repository":"acme/app","pull":7}"#, approve(None)),
        (r#"{"command":"approve","repository":"acme/app","pull":7,"sha":"1a2b3c4"}"#, approve(Some("1a2b3c4".into()))),
        (r#" {"build":3, "command":"cancel"} "#, Command::Cancel { build: 3, by: "root".into() }),
    ] {
        let Reply::Command(command) = house.reply(&post(body)) else { panic!("no command: {body}") };
        assert_eq!(command, expected);
    }
    for word in [LampWord::Test, LampWord::Red, LampWord::Yellow, LampWord::Green, LampWord::Off] {
        let show = format!("{word:?}").to_lowercase();
        let body = format!(r#"{{"command":"lamp","show":"{show}"}}"#);
        let Reply::Lamp(shown) = house.reply(&post(&body)) else { panic!("no word to the lamp: {body}") };
        assert_eq!(shown, word);
    }
}

#[test]
fn commands_that_do_not_fit() {
    let house = House::new(&[failed(3)]);
    let eof =
        "That is no command: EOF while parsing a value at line 1 column 0. One is {\"command\":\"cancel\",\"build\":3}";
    let known = "unknown variant `explode`, expected one of `rebuild`, `approve`, `cancel`, `lamp`";
    let either = "`rebuild` takes either `build`, or `repository` and `pull`";
    let digits = "`sha` is at least the first 7 hex digits of the head's sha, like 1a2b3c4";
    for (body, words) in [
        ("", eof),
        ("{}", "missing field `command`"),
        (r#"{"command":"explode"}"#, known),
        (r#"{"command":"cancel"}"#, "missing field `build`"),
        (r#"{"command":"cancel","build":"3"}"#, "invalid type: string"),
        (r#"{"command":"cancel","build":3,"by":"me"}"#, "unknown field `by`, expected `build`"),
        (r#"{"command":"cancel","build":3,"build":4}"#, "duplicate field `build`"),
        (r#"{"command":"cancel","build":3} x"#, "trailing characters"),
        (r#"{"command":"lamp","show":"disco"}"#, "expected one of `test`, `red`, `yellow`, `green`, `off`"),
        (r#"{"command":"rebuild"}"#, either),
        (r#"{"command":"rebuild","build":3,"pull":7}"#, either),
        (r#"{"command":"rebuild","repository":"acme/app"}"#, either),
        (r#"{"command":"approve","repository":"acme/app","pull":-7}"#, "invalid value"),
        (r#"{"command":"approve","repository":"acme/app","pull":7,"sha":"1a2b3c"}"#, digits),
        (r#"{"command":"approve","repository":"acme/app","pull":7,"sha":"zzzzzzz"}"#, digits),
    ] {
        let answered = house.ask(&post(body));
        assert_eq!(answered.status, 400, "{body}");
        let result = answered.json()["result"].to_string().replace("\\\"", "\"");
        assert!(result.contains(words), "{body}: {result}");
    }
    for id in [4, -3] {
        let answered = house.ask(&post(&format!(r#"{{"command":"rebuild","build":{id}}}"#)));
        assert_eq!(answered.status, 404, "{}", answered.body);
    }
}

#[test]
fn names_of_users() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\n:x:7:\nshort:x\nada:x:1000:1000:Ada,,,:/home/ada:/bin/sh\neve:x:1000:\n";
    for (uid, name) in [(0, Some("root")), (1000, Some("ada")), (7, None), (1, None)] {
        assert_eq!(passwd::find(passwd, uid), name);
    }
    assert_eq!(passwd::name_of(4_294_967_293), "uid 4294967293");
}
