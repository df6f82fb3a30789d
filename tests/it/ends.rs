//! How builds end that do not end by themselves, and logs that mean harm: what people see of it.

use std::io::{Write, stderr};
use std::process::Command;

use crate::support::process::run_to_end;
use crate::support::scene::{Scene, wait_until_gone};

#[test]
fn silence_is_ended_and_told() {
    let hangs = "printf well; setsid sleep 600 & echo at $! > @say; wait";
    let scene =
        Scene::with(&[("hangs", hangs), ("talks", "for i in 1 2 3 4 5 6; do sleep 0.5; printf .; done")], |c| {
            c.set("builder.silence", "\"2s\"")
        });
    let (sha, id) = scene.open(1);
    let left = scene.cues.hear_pid("at");
    let words = "No output for 2s: ended";
    assert_eq!(scene.shown(&sha, "hangs", "error").description, words);
    scene.shown(&sha, "talks", "success");
    let build = scene.daemon.wait_build(id, "error");
    assert_eq!((&build["reason"], &build["checks"][0]["description"]), (&words.into(), &words.into()));
    assert!(scene.daemon.get_text(&format!("/builds/{id}"), &[]).text().contains(words));
    wait_until_gone(left);
}

#[test]
fn a_worker_that_its_build_has_stopped_holds_no_slot() {
    let scene = Scene::new(&[("test", "echo at $PILOTLIGHT_SHA $$ > @say; read _ < @go; kill -STOP $PPID; sleep 600")]);
    let (sha, id) = scene.open(1);
    let pid = scene.cues.hear_pid(&format!("at {sha}"));
    scene.cues.go();
    // Or the cancellation would come first.
    let ppid = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let ppid = ppid.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).expect("its parent").to_owned();
    let stopped = || std::fs::read_to_string(format!("/proc/{ppid}/stat")).is_ok_and(|stat| stat.contains(") T "));
    while !stopped() {
        std::thread::yield_now();
    }
    assert_eq!(scene.daemon.cli(&["cancel", &id.to_string()]).code, Some(0));
    scene.shown(&sha, "test", "error");
    let (next, _) = scene.open(2);
    scene.cues.hear_pid(&format!("at {next}"));
    wait_until_gone(pid);
}

/// What a terminal, a browser or an eye might take for something else than output.
const NASTY: &str = concat!(
    r"printf 'plain \033[31mred\033[0m \033]0;title\007\033]8;;http://evil.example\033\\link\033]8;;\033\\ ",
    r"\033]52;c;cm0gLXJm\007 \033P+q544e\033\\ \233 31m \302\233 31m \033[2J\033c\n",
    r"all well\rFAILED\n1%%\r2%%\r\n\342\200\256gnp.exe \342\201\246 x\b\bhidden \0 \177\n",
    r"<script>alert(1)</script></pre>\n\033]0;never ended\n\033[31'"
);

#[test]
fn a_nasty_log_is_plain_on_a_terminal_and_a_page_and_itself_in_a_pipe() {
    let scene = Scene::new(&[("test", NASTY)]);
    let (sha, id) = scene.open(1);
    scene.shown(&sha, "test", "success");
    scene.daemon.wait_build(id, "success");

    let raw = scene.daemon.cli(&["log", "1"]);
    assert!(raw.stdout.contains("\u{1b}[31mred\u{1b}[0m"), "as it is into a pipe: {:?}", raw.stdout);

    let page = scene.daemon.get_text("/builds/1", &[]);
    let shown = page.text().split_once("<pre>").and_then(|(_, rest)| rest.split_once("</pre>")).expect("a log").0;
    let lines = "plain red link  \u{fffd} 31m [U+009B] 31m \nall well\nFAILED\n1%\n2%\n\
                 [U+202E]gnp.exe [U+2066] x␈␈hidden ␀ ␡\n";
    let lines = lines.replace("link  \u{fffd}", "link   \u{fffd}");
    assert!(shown.contains(&lines), "{shown:?}");
    assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;/pre&gt;\n␛]0;never ended\n␛[31"), "{shown:?}");

    // script(1) gives it a terminal, whose line ends are CR LF.
    let command = scene.daemon.room.command(&["log", "1"]);
    let words = [command.get_program()].into_iter().chain(command.get_args()).map(|word| word.to_string_lossy());
    let line = words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    if Command::new("script").arg("--version").output().is_err() {
        let _ = writeln!(stderr(), "NOT RUN: a log on a terminal, as script(1) is not here");
        return;
    }
    let mut terminal = Command::new("script");
    let terminal = run_to_end(terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]));
    let text = terminal.stdout.replace("\r\n", "\n");
    assert!(text.contains(&lines), "{text:?}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{text:?}");
}
