//! Comments: which words they hold, and which hold none.

use super::*;

/// What becomes of a good comment after `change`.
fn comment(change: impl FnOnce(&mut Value)) -> Result<Hook, String> {
    let mut payload = json!({
        "action": "created",
        "issue": {"number": 7, "state": "open", "pull_request": {"url": "https://api.github.com/…"}},
        "comment": {"body": "/test", "user": {"login": "alice"}, "author_association": "OWNER"},
        "repository": {"full_name": "acme/app", "id": 1}, "sender": {"login": "mallory"},
    });
    change(&mut payload);
    let answer = answer(payload.to_string().as_bytes(), |parts| parts.event = Some("issue_comment"));
    answer.map(|delivery| delivery.hook).map_err(|refusal| format!("{} {}", refusal.status, refusal.message))
}

/// The body of a comment, and the word in it.
const WORDS: &str = r#"
"/test" | Some(Test)
"\r\n \u00a0\r\n\t/test  \r\nplease" | Some(Test)
"/cancel\n" | Some(Cancel)
"/approve 1A2b3c4" | Some(Approve(Some("1a2b3c4")))
"/approve\t 1a2b3c4 \nand more" | Some(Approve(Some("1a2b3c4")))
"/approve 00112233445566778899aabbccddeeff00112233" | Some(Approve(Some("00112233445566778899aabbccddeeff00112233")))
"/approve" | Some(Approve(None))
"/approve 1a2b3c" | Some(Approve(None))
"/approve 1a2b3c4 now" | Some(Approve(None))
"/approve `1a2b3c4`" | Some(Approve(None))
"/approve zzzzzzz" | Some(Approve(None))
"/approve ../../x" | Some(Approve(None))
"/approve 000000000000000000000000000000000000000000000000000000000000000000" | Some(Approve(None))
"/approved 1a2b3c4" | None
"/test it" | None
"/tests" | None
"/Test" | None
"test" | None
"> /test" | None
"Please\n/test" | None
"" | None
null | None
"#;

#[test]
fn the_first_line_of_a_comment_decides() {
    for line in WORDS.trim().lines() {
        let (body, expected) = line.split_once(" | ").expect("two columns");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let word = match comment(|payload| payload["comment"]["body"] = body).expect(line) {
            Hook::Comment(comment) => Some(comment.word),
            Hook::Other { .. } => None,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(format!("{word:?}"), expected, "{line}");
    }
    let alice = Comment { repository: app(Some(1)), number: 7, by: "alice".into(), word: Word::Test };
    assert_eq!(comment(|_| {}), Ok(Hook::Comment(alice)));
}

/// Where, what stands there instead, and why there is nothing to do, or what is wrong.
const NO_WORDS: &str = r#"
/action | "edited" | issue_comment edited
/action | "deleted" | issue_comment deleted
/action | "pin\u0000ned" | issue_comment pinned
/issue/pull_request | null | issue_comment on what is no open pull request
/issue/state | "closed" | issue_comment on what is no open pull request
/comment/body | "Nice!" | issue_comment without /test, /approve or /cancel in its first line
/comment/user | null | issue_comment by an app or by nobody
/comment/user/login | "dependabot[bot]" | issue_comment by an app or by nobody
/comment/user/login | "../alice" | issue_comment by an app or by nobody
/comment/user/login | "" | issue_comment by an app or by nobody
/comment/user/login | 7 | 400 the payload can't be understood
/issue/number | 0 | 400 number is not the number of a pull request
/issue | {"number": 7} | 400 the payload can't be understood: missing field `state`
/repository/full_name | "acme/.." | 400 repository.full_name is not the name
"#;

#[test]
fn other_comments_are_understood_and_nothing_is_done() {
    for line in NO_WORDS.trim().lines() {
        let [pointer, value, words] = *line.split(" | ").collect::<Vec<_>>() else { panic!("{line}") };
        let value: Value = serde_json::from_str(value).expect("JSON");
        match comment(|payload| *payload.pointer_mut(pointer).expect("it is there") = value) {
            Ok(Hook::Other { event }) => assert_eq!(event, words, "{line}"),
            Err(refusal) => assert!(refusal.starts_with(words), "{line}: {refusal}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}
