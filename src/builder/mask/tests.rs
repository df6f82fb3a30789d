//! No assertion here shows what it compares: made-up secrets look like real ones in a log.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;

fn mask(secrets: &[&str]) -> Mask {
    Mask::new(secrets.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>().iter())
}

/// What comes out when `input` comes in these pieces, and how much was held back at most.
fn pieces<'a>(mask: &mut Mask, input: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, usize) {
    let (mut said, mut came, mut held) = (Vec::new(), 0, 0);
    for piece in input {
        came += piece.len();
        mask.push(piece, &mut |bytes| said.extend_from_slice(bytes));
        held = held.max(mask.held.len());
    }
    mask.flush(&mut |bytes| said.extend_from_slice(bytes));
    assert!(held <= came && mask.held.is_empty() && mask.starred == 0);
    (said, held)
}

/// What a shell command makes of `secret` on its standard input.
fn made_by(script: &str, secret: &str) -> String {
    let mut command = Command::new("sh");
    let mut child = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn each_form_is_struck_out() {
    let secret = "pa$$ wörd/ä?+\"x\\y~&<(*)'";
    let mask = mask(&[secret]);
    let table = [
        secret,
        // JSON.
        r#"pa$$ wörd/ä?+\"x\\y~&<(*)'"#,
        // A shell's, and Python's shlex.
        r#"pa$$ wörd/ä?+"x\y~&<(*)'\''"#,
        r#"pa$$ wörd/ä?+"x\y~&<(*)'"'"'"#,
        // By RFC 3986; as Python's quote has it; encodeURIComponent, encodeURI and form data of browsers.
        "pa%24%24%20w%C3%B6rd%2F%C3%A4%3F%2B%22x%5Cy~%26%3C%28%2A%29%27",
        "pa%24%24%20w%c3%b6rd%2f%c3%a4%3f%2b%22x%5cy~%26%3c%28%2a%29%27",
        "pa%24%24%20w%C3%B6rd/%C3%A4%3F%2B%22x%5Cy~%26%3C%28%2A%29%27",
        "pa%24%24%20w%C3%B6rd%2F%C3%A4%3F%2B%22x%5Cy~%26%3C(*)'",
        "pa$$%20w%C3%B6rd/%C3%A4?+%22x%5Cy~&%3C(*)'",
        "pa%24%24+w%C3%B6rd%2F%C3%A4%3F%2B%22x%5Cy%7E%26%3C%28*%29%27",
    ];
    for (row, form) in table.into_iter().enumerate() {
        assert!(mask.words(&format!("<{form}>")) == "<***>", "row {row}");
    }
    // What base64 leaves: padding, and characters that stand for their neighbours too.
    for (script, left) in [
        ("base64 -w0", 4),
        ("base64 -w0 | tr +/ -_", 4),
        ("(printf u; cat) | base64 -w0", 6),
        ("(printf u:; cat; printf @@) | base64 -w0", 10),
    ] {
        let masked = mask.words(&made_by(script, secret));
        assert!(masked.matches("***").count() == 1 && masked.len() <= 3 + left, "{script}");
    }
}

#[test]
fn long_secrets_are_known_by_their_lines() {
    let line = |n: usize| (0..64).map(|i| char::from(b'A' + ((i * 7 + n * 11 + i * n) % 26) as u8)).collect::<String>();
    let key = format!("-----BEGIN KEY-----\n{}\n{}\n}}\n-----END KEY-----", line(1), line(2));
    let mask_of = mask;
    let mask = mask_of(&[&key]);
    assert_eq!(mask.words(&key), "***");
    assert_eq!(mask.words(&key.replace('\n', "\r\n")), "***\r\n***\r\n***\r\n}\r\n***");
    assert_eq!(mask.words(&key.replace('\n', "\\n")), "***");
    assert_eq!(mask.words(&format!("  2: {} {{ }}", line(2))), "  2: *** { }");
    for width in [64, 76] {
        let masked = mask.words(&made_by(&format!("base64 -w {width}"), &key));
        assert!(masked.lines().all(|line| line.len() < 12), "{width}");
    }
    // The key of a JSON file, after somebody has read it.
    let json = format!("{{\"key\": \"{}\"}}", key.replace('\n', "\\n"));
    assert_eq!(mask_of(&[&json]).words(&line(1)), "***");
}

/// A secret behind a user's name, in base64 that tools have wrapped, wherever its lines end.
#[test]
fn base64_is_known_across_its_lines() {
    let token = "npm_0123456789abcdefABCDEF0123456789abcd";
    let key = (0..12).map(|n| format!("{:064x}", n * 0x1234_5678_9abc_u64)).collect::<String>();
    for (secret, width, end) in [(token, 76, "\n"), (token, 64, "\r\n"), (token, 60, "\n"), (&key, 76, "\r\n")] {
        let mut mask = mask(&[secret]);
        let told: HashSet<_> = mask.forms.iter().flat_map(|form| form.windows(16)).map(<[u8]>::to_vec).collect();
        for before in (0..60).step_by(if secret == key { 17 } else { 1 }) {
            let plain = format!("{}:{secret}@example.org{}", "u".repeat(before), "/".repeat(100));
            let lines = forms::base64(plain.as_bytes(), 0, *b"+/");
            let lines: Vec<_> = lines.chunks(width).map(String::from_utf8_lossy).collect();
            let wrapped = format!("got\n{}{end}and more\n", lines.join(end));
            let masked = mask.words(&wrapped);
            let joined = masked.replace(['\r', '\n'], "");
            assert!(
                !joined.as_bytes().windows(16).any(|part| told.contains(part)),
                "{before} before, lines of {width}"
            );
            assert!(masked.starts_with("got\n") && masked.ends_with(&format!("{end}and more\n")));
            let left = wrapped.len() - secret.len() * 4 / 3 - (secret.len() / 40 + 1) * end.len() - 4;
            assert!(masked.len() >= left, "more than that is gone: {before} before, lines of {width}");
            let mut random = fastrand::Rng::with_seed(before as u64);
            for size in [1, 7, 200] {
                let (said, held) = pieces(&mut mask, cut(wrapped.as_bytes(), || random.usize(1..=size)));
                assert!(said == masked.as_bytes(), "{before} before, lines of {width}, pieces up to {size}");
                assert!(held < mask.longest + (mask.longest / width + 2) * end.len());
            }
        }
    }
}

/// Pieces of these sizes.
fn cut(mut rest: &[u8], mut size: impl FnMut() -> usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(size().min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[test]
fn what_is_no_secret_stays() {
    assert_eq!(mask(&[]).words("hello"), "hello");
    let mut none = mask(&[]);
    assert_eq!(pieces(&mut none, [&b"he"[..], b"llo"].into_iter()), (b"hello".to_vec(), 0));
    let mask = mask(&["tok-123456"]);
    for text in ["", "t", "tok-12345", "tok-12345 6", "TOK-123456", "*** \u{1f512}"] {
        assert_eq!(mask.words(text), text);
    }
    assert_eq!(mask.words("tok-123456tok-123456"), "******");
}

#[test]
fn secrets_that_overlap_leave_nothing() {
    let mask = mask(&["abcdefgh", "efghijkl", "abcdefghij", "zzzzzz"]);
    for (text, masked) in [
        ("1abcdefghijkl2", "1***2"),
        ("abcdefghijabcdefgh", "******"),
        ("zzzzzzzzz.zzzzz", "***.zzzzz"),
        ("abcdefghi", "***i"),
    ] {
        assert_eq!(mask.words(text), masked);
    }
}

/// However the output is cut into pieces: the same comes out, no form is in it, and little is held back.
#[test]
fn pieces_make_no_difference() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let letters: &[u8] = if seed % 2 == 0 { b"ab" } else { b"aB3 /+%\"\\\n=" };
        let mut text =
            |bytes: usize| String::from_utf8((0..bytes).map(|_| *random.choice(letters).unwrap()).collect()).unwrap();
        let secrets = [text(7), text(9), text(40)];
        let mut noise: Vec<String> = (0..30).map(|n| text(n % 12)).collect();
        let mut masked = mask(&secrets.each_ref().map(String::as_str));
        noise.extend(masked.forms.iter().take(20).map(|form| String::from_utf8(form.clone()).unwrap()));
        random.shuffle(&mut noise);
        // Some of them torn, so that beginnings without an end are among them.
        let torn = |word: &String, random: &mut fastrand::Rng| word[..random.usize(0..=word.len())].to_owned();
        let input: String =
            noise.iter().map(|word| if random.bool() { word.clone() } else { torn(word, &mut random) }).collect();
        let (whole, _) = pieces(&mut masked, [input.as_bytes()].into_iter());
        let words = masked.words(&input);
        assert!(words.as_bytes() == whole, "seed {seed}");
        assert!(masked.find(&whole, 0).is_none(), "a form is left with seed {seed}");
        let longest = masked.forms.iter().map(Vec::len).max().unwrap();
        for size in [1, 2, 3, 7, 0] {
            let next = || if size == 0 { random.usize(1..100) } else { size };
            let (said, held) = pieces(&mut masked, cut(input.as_bytes(), next));
            assert!(said == whole && held < longest, "seed {seed}, pieces of {size}");
        }
    }
}

#[test]
fn only_what_may_be_a_secret_is_held_back() {
    let mut masked = mask(&["tok-123456"]);
    let mut said = Vec::new();
    for (piece, seen) in
        [("one\n", "one\n"), ("two tok", "one\ntwo "), ("-1x", "one\ntwo tok-1x"), ("tok-12345", "one\ntwo tok-1x")]
    {
        masked.push(piece.as_bytes(), &mut |bytes| said.extend_from_slice(bytes));
        assert_eq!(String::from_utf8_lossy(&said), seen);
    }
}

/// Prints how fast it is: `cargo test --release --lib mask -- --ignored --nocapture`.
#[test]
#[ignore = "a figure, for release builds"]
fn speed() {
    let token = "npm_0123456789abcdefABCDEF0123456789abcd";
    let key = (0..27).map(|n| format!("{:064x}\n", n * 0x1234_5678_9abc_u64)).collect::<String>();
    let log = "   Compiling serde v1.0.229 (https://example.org/serde?rev=0123456789abcdef#npm_01234)\n".repeat(12_000);
    for (what, secrets) in [("three tokens", vec![token, "hunter2-hunter2", "xoxb-17-xyzzy"]), ("a key", vec![&*key])] {
        let mut masked = mask(&secrets);
        let (begun, mut bytes) = (Instant::now(), 0);
        while bytes < 1 << 30 {
            for frame in log.as_bytes().chunks(64 * 1024) {
                masked.push(frame, &mut |out| bytes += out.len());
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{what}: {} forms, window {}: {:.0} MB/s",
            masked.forms.len(),
            masked.window,
            bytes as f64 / 1e6 / seconds
        );
    }
}
