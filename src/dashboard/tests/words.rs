//! The pages, and what they make of words from outside.

use super::*;

#[test]
fn the_policy_names_the_style_sheet() {
    let digest = ring::digest::digest(&ring::digest::SHA256, pages::STYLE.as_bytes());
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: String = digest.as_ref().iter().map(|byte| format!("{byte:08b}")).collect();
    let sextets = bits.as_bytes().chunks(6).map(|six| format!("{:0<6}", String::from_utf8_lossy(six)));
    let base64: String = sextets.map(|six| alphabet[usize::from_str_radix(&six, 2).unwrap()]).collect();
    assert!(answer::POLICY.contains(&format!("'sha256-{base64}='")), "write sha256-{base64}= into the policy");
}

#[test]
fn hostile_words_on_pages() {
    let mut hostile = failed(3);
    hostile.title = "<script>alert(1)</script> \u{202e}gnp.exe\u{2066} \x1b[2J\0 \u{9b}31m \u{200f}".to_owned();
    hostile.head_ref = "\"><img src=x onerror=alert(1)>".to_owned();
    hostile.reason = Some("<b>\u{202d}</b>".to_owned());
    hostile.checks[0].description = "</td><iframe>".to_owned();
    hostile.checks[1].context = "a&b\"c d".to_owned();
    let house = House::new(&[hostile]);
    house.write_log(3, b"</code></pre><script>x</script>\x1b[31mred\x1b[0m \xff\xe2\x80\xae");
    let (list, page) = (house.get("/").body, house.get("/builds/3").body);
    let title = "<bdi>&lt;script&gt;alert(1)&lt;/script&gt; [U+202E]gnp.exe[U+2066] ␛[2J␀ [U+009B]31m [U+200F]</bdi>";
    let branch = "<bdi>&quot;&gt;&lt;img src=x onerror=alert(1)&gt;</bdi>";
    for part in [title, branch] {
        assert!(list.contains(part), "{list}");
        assert!(page.contains(part), "{page}");
    }
    for part in [
        "<bdi>&lt;b&gt;[U+202D]&lt;/b&gt;</bdi>",
        "<td class=\"words\"><bdi>&lt;/td&gt;&lt;iframe&gt;</bdi></td>",
        "<a href=\"../api/v1/builds/3/log?check=a%26b%22c+d\"><bdi>a&amp;b&quot;c d</bdi></a>",
        "<code dir=\"ltr\">&lt;/code&gt;&lt;/pre&gt;&lt;script&gt;x&lt;/script&gt;red \u{fffd}[U+202E]</code>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(house.get("/api/v1/builds/3").body.contains("\\u0000"), "JSON has it as it is, escaped");
    let query = house.get("/?x=%22%3E%3Cscript%3E\"><script>").body;
    assert!(!query.contains("<script") && query.contains("%3Cscript%3E"), "{query}");
}

#[test]
fn the_page_of_a_long_log_shows_its_end() {
    let house = House::new(&[failed(3)]);
    let log: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    house.write_log(3, log.as_bytes());
    let page = house.get("/builds/3").body;
    let shown = page.split_once("<code dir=\"ltr\">").unwrap().1.split_once("</code>").unwrap().0;
    assert!(shown.starts_with("line ") && shown.ends_with("line 49999\n"));
    assert!(log.ends_with(shown) && (262_130..=262_144).contains(&shown.len()), "{}", shown.len());
    assert!(page.contains("This is the end of it. <a href=\"../api/v1/builds/3/log\">"));
    let one_line = format!("{}\n", "x".repeat(300_000));
    house.write_log(3, one_line.as_bytes());
    assert!(house.get("/builds/3").body.contains(&format!("<code dir=\"ltr\">{}", &one_line[37_857..])));
    house.write_log(3, b"short\n");
    assert!(house.get("/builds/3").body.contains("<pre><code dir=\"ltr\">short\n</code></pre>"));
}

#[test]
fn pages_that_refresh() {
    let house = House::new(&[failed(3), running(4)]);
    let idle = House::new(&[failed(3)]);
    for (house, target, seconds, link) in [
        (&house, "/", Some("5"), Some("?refresh=off")),
        (&house, "/?pull=7&refresh=off", None, Some("?pull=7")),
        (&house, "/builds/4", Some("5"), Some("?refresh=off")),
        (&house, "/builds/4?refresh=off", None, Some("?")),
        (&house, "/builds/3", None, None),
        (&idle, "/", Some("60"), Some("?refresh=off")),
    ] {
        let answered = house.get(target);
        assert_eq!(answered.header("Refresh"), seconds, "{target}");
        let found = answered.body.split("<p class=\"quiet\">This page ").nth(1);
        let href = found.and_then(|note| note.split('"').nth(1));
        assert_eq!(href, link, "{target}");
    }
}

#[test]
fn pages_of_older_builds() {
    let house = House::new(&(1..=51).map(failed).collect::<Vec<_>>());
    assert!(house.get("/?pull=7").body.contains("<a href=\"?pull=7&amp;before=2\">Older builds</a>"));
    let oldest = house.get("/?pull=7&before=2").body;
    assert!(oldest.contains("<a href=\"builds/1\">1</a>") && !oldest.contains("Older builds"));
}

#[test]
fn the_lamp() {
    let mut house = House::new(&[]);
    let lights = r#"{"red":"off","yellow":"blink","green":"off","reason":"acme/app#7 is running","repository":"acme/app","pull":7}"#;
    assert_eq!(house.get("/api/v1/lights").body, lights);
    assert_eq!(house.get("/api/v1/status").body, format!(r#"{{"summary":"1 running","lights":{lights}}}"#));
    let page = house.get("/").body;
    assert!(page.contains(
        r#"<li class="yellow blinking"><span class="shape" aria-hidden="true">◉</span> yellow blinking</li>"#
    ));
    assert!(page.contains("<p><bdi>acme/app#7 is running</bdi></p>"));
    house.lights = None;
    let late = house.get("/api/v1/lights");
    assert_eq!((late.status, late.header("Retry-After")), (503, Some("5")));
    assert_eq!(late.json()["result"], "The lamp did not answer within 2 s: try again");
    assert_eq!(house.get("/").status, 200, "the builds are shown without it");
}
