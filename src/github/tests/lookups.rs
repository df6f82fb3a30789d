//! Questions: what each needs, and what an answer means.

use serde_json::{Value, json};

use super::*;
use crate::logic::event::{DeliveryKey, Word};
use crate::logic::missed::Missed;

#[test]
fn each_question_names_its_own_permission() {
    let (repository, sha) = (|| "acme/app".to_owned(), || SHA.to_owned());
    let hook = answer("200 OK", "", r#"[{"id": 7, "config": {"url": "https://box.example/hook"}}]"#);
    let table = [
        (LookUp::Pulls { repository: repository() }, None, "list the pull requests of", "Pull requests: read"),
        (
            LookUp::Statuses { repository: repository(), sha: sha() },
            None,
            "read the statuses of",
            "Commit statuses: read",
        ),
        (
            LookUp::External { repository: repository(), sha: sha() },
            None,
            "read the statuses of",
            "Commit statuses: read",
        ),
        (LookUp::Deliveries { repository: repository() }, Some(hook), "look at the webhooks of", "Webhooks: read"),
        (
            LookUp::Word { repository: repository(), missed: missed() },
            None,
            "look at the webhooks of",
            "Webhooks: read",
        ),
        (
            LookUp::Permission { repository: repository(), user: "alice".to_owned() },
            None,
            "ask who may write to",
            "Metadata: read",
        ),
    ];
    for (what, first, act, permission) in table {
        let refusal = answer("403 Forbidden", "", "{}");
        let github = StandIn::start(first.into_iter().chain([refusal]).collect());
        let found = github.client(LONG).look_up(&what, "/hook", &mut Lists::default(), &|_, _| Ok(Vec::new()), no_word);
        let expected =
            format!("refused: The token may not {act} acme/app (403). Give it the permission \"{permission}\"");
        assert_eq!(words(found.expect_err("it is refused")), expected);
    }
}

/// What GitHub answers about a person, and what that says.
const PERMISSIONS: &str = r#"
200 OK | {"permission": "admin", "role_name": "admin"} => may
200 OK | {"permission": "write", "role_name": "maintain"} => may
200 OK | {"permission": "write", "role_name": "release managers"} => may
200 OK | {"permission": "none", "role_name": "write"} => may
200 OK | {"permission": "read", "role_name": "triage"} => may not
200 OK | {"permission": "read", "role_name": "read", "user": {"permissions": {"admin": true}}} => may not
200 OK | {"permission": "none"} => may not
200 OK | {"permission": true} => may not
200 OK | {} => may not
200 OK | ["admin"] => may not
200 OK | {"permission": "adm => unreachable: GitHub's answer (200) can't be read
404 Not Found | {"message": "alice is not a user"} => may not
401 Unauthorized | {} => token: GitHub does not accept the token (401)
403 Forbidden | {"message": "Resource not accessible"} => refused: The token may not
500 Oh | {} => unreachable: GitHub has a problem of its own (500)
"#;

#[test]
fn a_person_may_write_when_github_says_so() {
    for line in PERMISSIONS.trim().lines() {
        let (given, expected) = line.split_once(" => ").unwrap();
        let (status, body) = given.split_once(" | ").unwrap();
        let itself = answer("200 OK", "", r#"{"id": 99, "full_name": "acme/app"}"#);
        let github = StandIn::start(vec![answer(status, "", body), itself]);
        let what = LookUp::Permission { repository: "acme/app".into(), user: "alice".into() };
        let found = github.client(LONG).look_up(&what, "/hook", &mut Lists::default(), &|_, _| Ok(Vec::new()), no_word);
        let said = match found {
            Ok(Found::Permission(Some(of))) => {
                assert_eq!(
                    of,
                    Identity { name: "acme/app".into(), id: Some(99) },
                    "whoever has the name then was asked"
                );
                "may".to_owned()
            }
            Ok(Found::Permission(None)) => "may not".to_owned(),
            Ok(other) => panic!("{line}: {other:?}"),
            Err(outcome) => words(outcome),
        };
        assert!(if expected.len() > 7 { said.starts_with(expected) } else { said == expected }, "{line}: {said}");
        let head = github.seen.try_recv().unwrap().head.to_ascii_lowercase();
        assert!(head.starts_with("get /repos/acme/app/collaborators/alice/permission http/1.1\r\n"), "{head}");
    }
}

/// What GitHub answers to a question for the open pull requests, then for the repository; and whose list it is.
const WHOSE: &str = r#"
[] | 200 OK | {"id": 99, "full_name": "acme/app", "private": true} => acme/app 99
[] | 200 OK | {"id": 1, "full_name": "acme/web"} => acme/web 1
[] | 200 OK | {"id": 1, "full_name": "acme/\u0007w eb"} => acme/ w eb 1
[] | 200 OK | {"id": "99"} => acme/app ?
[] | 404 Not Found | {"message": "Not Found"} => acme/app ?
[] | 200 OK | {"id": 9 => unreachable: GitHub's answer (200) can't be read
[] | 401 Unauthorized | {} => token: GitHub does not accept the token (401)
[] | 500 Oh | {} => unreachable: GitHub has a problem of its own (500)
[7] | | => acme/app 5
"#;

#[test]
fn a_list_tells_whose_it_is() {
    for line in WHOSE.trim().lines() {
        let (given, expected) = line.split_once("=> ").unwrap();
        let parts: Vec<&str> = given.splitn(3, '|').map(str::trim).collect();
        let list = answer("200 OK", "ETag: W/\"1\"", parts[0]);
        let itself = (!parts[1].is_empty()).then(|| answer(parts[1], "", parts[2]));
        let next = if expected.contains(": ") { list.clone() } else { answer("304 Not Modified", "", "") };
        let github = StandIn::start([Some(list), itself.clone(), Some(next), itself].into_iter().flatten().collect());
        let (client, mut lists) = (github.client(LONG), Lists::default());
        let of = |list: &str| (list == "[7]").then(|| listed(7, Some(5)));
        let what = LookUp::Pulls { repository: "acme/app".into() };
        let mut ask =
            || client.look_up(&what, "/hook", &mut lists, &|_, page| Ok(of(page).into_iter().collect()), no_word);
        match ask() {
            Ok(Found::Pulls { of, .. }) => {
                assert_eq!(format!("{} {}", of.name, of.id.map_or("?".into(), |id| id.to_string())), expected);
                assert_eq!(ask(), Ok(Found::Same(of)));
            }
            Ok(other) => panic!("{line}: {other:?}"),
            Err(outcome) => {
                assert!(words(outcome).starts_with(expected), "{line}");
                let _ = ask();
                let again = github.seen.try_iter().last().unwrap().head.to_ascii_lowercase();
                assert!(!again.contains("if-none-match"), "a list that nobody took in is not the same again: {again}");
            }
        }
    }
}

fn missed() -> Missed {
    Missed { at: 1_775_000_000, id: 30, key: DeliveryKey { guid: "c".into(), hook_id: 7 } }
}

/// Failed deliveries as GitHub lists them, the newest first: id, GUID, event, action, status, and when.
const FAILED: &str = "
40 f issue_comment created 502 2026-03-31T23:40:00Z
39 d issue_comment created 200 2026-03-31T23:39:00Z
38 e issue_comment edited 502 2026-03-31T23:38:00Z
37 d issue_comment created 502 2026-03-31T23:37:00Z
36 c issue_comment created 0 2026-03-31T23:36:00Z
35 a pull_request opened 502 2026-03-31T23:35:00Z
34 b pull_request closed 202 2026-03-31T23:34:00Z
33 g status null 502 2026-03-31T23:33:00Z
32 f issue_comment created 502 yesterday
30 c issue_comment created 502 2026-03-31T23:33:20Z
";

#[test]
fn what_failed_is_found_and_a_comment_is_asked_for() {
    let entry = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let (id, status): (u64, u64) = (words[0].parse().unwrap(), words[4].parse().unwrap());
        json!({"id": id, "guid": words[1], "event": words[2], "action": words[3], "status_code": status,
            "delivered_at": words[5]})
    };
    let list = Value::from(FAILED.trim().lines().map(entry).collect::<Vec<_>>()).to_string();
    let hook = r#"[{"id": 7, "config": {"url": "https://box.example/hook"}}]"#;
    let whole = |guid| json!({"guid": guid, "request": {"payload": {"by": "alice"}}}).to_string();
    let bodies = [hook, &list, &whole("c"), &whole("another"), "{}"];
    let github = StandIn::start(bodies.map(|body| answer("200 OK", "", body)).into());
    let word = |payload: &str| {
        let (name, id) = ("acme/app".to_owned(), Some(5));
        let by = serde_json::from_str::<Value>(payload).ok()?["by"].as_str()?.to_owned();
        Some(Comment { repository: Identity { name, id }, number: 1, by, word: Word::Test })
    };
    let ask = |what| {
        github.client(LONG).look_up(&what, "/hook", &mut Lists::default(), &|_, _| Ok(Vec::new()), word).unwrap()
    };
    let Found::Deliveries(pulls, comments) = ask(LookUp::Deliveries { repository: "acme/app".into() }) else {
        panic!("no deliveries")
    };
    assert_eq!(pulls, [DeliveryKey { guid: "a".into(), hook_id: 7 }]);
    let f = Missed { at: 1_775_000_400, id: 40, key: DeliveryKey { guid: "f".into(), hook_id: 7 } };
    assert_eq!(comments, [missed(), f]);
    for is_it in [true, false, false] {
        let found = ask(LookUp::Word { repository: "acme/app".into(), missed: missed() });
        assert!(matches!(found, Found::Word(word) if word.is_some() == is_it));
    }
    let seen = github.seen.try_iter().nth(2).unwrap().head;
    assert!(seen.starts_with("GET /repos/acme/app/hooks/7/deliveries/30 HTTP/1.1\r\n"), "{seen}");
}

fn no_word(_: &str) -> Option<Comment> {
    None
}

fn listed(number: u64, id: Option<u64>) -> PullPayload {
    PullPayload {
        action: PullAction::Other("listed".into()),
        repository: Identity { name: "acme/app".into(), id },
        number,
        title: String::new(),
        head_sha: SHA.into(),
        head_ref: "topic".into(),
        head_repository: None,
        base_ref: "main".into(),
        open: true,
        updated_at: 0,
        before: None,
    }
}

/// GitHub has one ETag for all empty lists.
#[test]
fn an_empty_list_that_is_the_same_may_be_another_s() {
    let whose = |id: u64| answer("200 OK", "ETag: W/\"r\"", &format!(r#"{{"id": {id}, "full_name": "acme/app"}}"#));
    let (empty, same) = (answer("200 OK", "ETag: W/\"e\"", "[]"), || answer("304 Not Modified", "", ""));
    let github = StandIn::start(vec![empty, whose(5), same(), same(), same(), whose(99), same(), same()]);
    let (client, mut lists) = (github.client(LONG), Lists::default());
    let what = LookUp::Pulls { repository: "acme/app".into() };
    let mut ask = || client.look_up(&what, "/hook", &mut lists, &|_, _| Ok(Vec::new()), no_word);
    assert!(matches!(ask(), Ok(Found::Pulls { of, .. }) if of.id == Some(5)));
    for id in [5, 99, 99] {
        assert_eq!(ask(), Ok(Found::Same(Identity { name: "acme/app".into(), id: Some(id) })));
    }
}

/// What is asked of each page of a list, by its number, and what GitHub answers: a new ETag with the page's pull requests,
/// `+` where another page follows, or 304. Then what the list is.
const PAGES: &str = r#"
1: a 1,2 + | 2: b 3       => [1, 2, 3]
1 a: same | 2 b: same     => the same
1 a: same | 2 b: c 4      => [1, 2, 4]
1 a: d 4,1 + | 2 c: same  => [4, 1, 4]
1 d: same + | 2 c: same + | 3: e 5 => [4, 1, 4, 5]
1 d: same | 2 c: same | 3 e: same  => the same
1 d: same | 2 c: f 6      => [4, 1, 6]
1 d: g 7                  => [7]
1 g: same                 => the same
"#;

#[test]
fn each_page_of_a_list_is_asked_for_by_what_it_was() {
    let rounds: Vec<_> = PAGES.trim().lines().map(|line| line.split_once("=>").unwrap()).collect();
    let steps = || rounds.iter().flat_map(|(pages, _)| pages.split(" | ")).map(|page| page.split_once(':').unwrap());
    let answers = steps().map(|(_, said)| {
        let words: Vec<_> = said.split_whitespace().collect();
        let link = if words.ends_with(&["+"]) { "Link: <https://api.github.com/more>; rel=\"next\"\n" } else { "" };
        match words[..] {
            ["same", ..] => answer("304 Not Modified", link, ""),
            _ => answer("200 OK", &format!("{link}ETag: W/\"{}\"", words[0]), words[1]),
        }
    });
    let github = StandIn::start(answers.collect());
    let (client, mut lists) = (github.client(LONG), Lists::default());
    let numbers = |page: &str| page.split(',').map(|n| listed(n.parse().unwrap(), Some(5))).collect();
    let what = LookUp::Pulls { repository: "acme/app".into() };
    for (pages, expected) in &rounds {
        let found = match client.look_up(&what, "/hook", &mut lists, &|_, page| Ok(numbers(page)), no_word) {
            Ok(Found::Pulls { pulls, .. }) => format!("{:?}", pulls.iter().map(|p| p.number).collect::<Vec<_>>()),
            Ok(Found::Same(_)) => "the same".to_owned(),
            other => panic!("{pages}: {other:?}"),
        };
        assert_eq!(found, expected.trim(), "{pages}");
    }
    for ((asked, _), seen) in steps().zip(github.seen.try_iter()) {
        let (page, etag) = asked.trim().split_once(' ').unwrap_or((asked.trim(), ""));
        let head = seen.head.to_ascii_lowercase();
        assert!(head.lines().next().unwrap().contains(&format!("&page={page} ")), "{asked}: {head}");
        assert_eq!(head.contains("if-none-match"), !etag.is_empty(), "{asked}: {head}");
        assert!(etag.is_empty() || head.contains(&format!("if-none-match: w/\"{etag}\"\r\n")), "{asked}: {head}");
    }
}

#[test]
fn lists_that_are_too_long_to_remember_are_read_in_full() {
    let list = |name: &str| answer("200 OK", &format!("ETag: W/\"{name}\""), name);
    let (same, itself) = (answer("304 Not Modified", "", ""), answer("200 OK", "", "{}"));
    let github = StandIn::start(vec![list("long"), itself.clone(), list("longer"), list("longer"), same, itself]);
    let (client, mut lists) = (github.client(LONG), Lists::default());
    let of = |page: &str| (0..if page == "longer" { 2001 } else { 0 }).map(|n| listed(n, Some(5))).collect();
    let mut ask = |name: &str| {
        let what = LookUp::Pulls { repository: name.into() };
        client.look_up(&what, "/hook", &mut lists, &|_, page| Ok(of(page)), no_word)
    };
    assert!(matches!(ask("acme/app"), Ok(Found::Pulls { .. })));
    for _ in 0..2 {
        assert!(matches!(ask("acme/lib"), Ok(Found::Pulls { pulls, .. }) if pulls.len() == 2001));
    }
    assert!(matches!(ask("acme/app"), Ok(Found::Same(_))));
}

#[test]
fn a_hook_is_ours_by_its_whole_path() {
    let table = [
        ("https://box.example/event_handler", true),
        ("http://127.0.0.1:4567/event_handler?from=github", true),
        ("https://another-service.example/ci/event_handler", false),
        ("https://box.example/event_handler/", false),
        ("https://box.example", false),
        ("https://box.example?/event_handler", false),
        ("/event_handler at https://", false),
        ("", false),
    ];
    for (url, expected) in table {
        let hook = Hook { id: 1, url: url.to_owned(), active: true, events: Vec::new(), last_code: None };
        assert_eq!(hook.is_at("/event_handler"), expected, "{url}");
    }
}

#[test]
fn a_list_that_does_not_end_is_no_list() {
    let page = answer("200 OK", "Link: <https://x.example>; rel=\"next\"", "[7]");
    let last = answer("200 OK", "", "[7]");
    let what = LookUp::Pulls { repository: "acme/app".into() };
    for (pages, expected) in [(vec![page.clone(), page.clone(), last], None), (vec![page; 20], Some("more than 1000"))]
    {
        let asked = pages.len();
        let github = StandIn::start(pages);
        let one = |_: &str, _: &str| Ok(vec![listed(7, Some(5))]);
        match github.client(LONG).look_up(&what, "/hook", &mut Lists::default(), &one, no_word) {
            Ok(Found::Pulls { pulls, .. }) => assert_eq!((pulls.len(), expected), (asked, None)),
            Ok(other) => panic!("{other:?}"),
            Err(outcome) => assert!(words(outcome).contains(expected.expect("it ends")), "{asked}"),
        }
        for (number, seen) in (1..=asked).zip(github.seen.try_iter()) {
            assert!(seen.head.contains(&format!("&per_page=50&page={number} ")), "{}", seen.head);
        }
    }
}
