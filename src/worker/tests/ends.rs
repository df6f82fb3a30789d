//! How checks end, and that nothing is left of them.

use super::*;

#[test]
fn nothing_outlives_its_check_nor_holds_it_up() {
    let table = [
        "sleep 1000 & echo $!",
        "setsid sleep 1000 & echo $!",
        "mkfifo one; (setsid sh -c 'sleep 1000 & echo $!; echo >one' &); read said <one",
        "mkfifo two; setsid sh -c 'trap \"\" TERM; sleep 1000 & echo $! $$; echo >two; wait' & read said <two; exit 1",
        "sleep 1000 & kill -STOP $!; echo $!",
    ];
    let outcome = Bench::new().build(&table);
    assert_eq!(outcome.ends.len(), table.len());
    assert!(outcome.ends.iter().all(|end| matches!(end, CheckEnd::Exited(_))), "{outcome:?}");
    let pids = pids(&outcome.log);
    assert_eq!(pids.len(), table.len() + 1);
    assert_gone(&pids);
}

#[test]
fn last_words_of_helpers_are_waited_for_a_moment() {
    let outcome = Bench::new().build(&["(while kill -0 $$ 2>/dev/null; do :; done; echo late) & exit 4"]);
    assert_eq!((outcome.log.as_str(), &outcome.ends[..]), ("late\n", &[CheckEnd::Exited(4)][..]));
}

#[test]
fn a_timeout_asks_first_and_the_next_check_runs() {
    let bench = Bench::new();
    let mut job = bench.job(&[
        "trap 'echo cleaned; exit 0' TERM; setsid sleep 1000 & echo $! $$; while :; do wait; done",
        "trap '' TERM; sleep 1000 & echo $! $$; while :; do wait; done",
        "echo next",
    ]);
    let short = Duration::from_secs(1);
    job.checks[0].timeout = short;
    job.checks[1].timeout = short;
    let outcome = Worker::start(&job).outcome();
    assert_eq!(outcome.ends, [CheckEnd::TimedOut(short), CheckEnd::TimedOut(short), CheckEnd::Exited(0)]);
    let lines: Vec<_> = outcome.log.lines().collect();
    assert_eq!((lines[1], lines[3], lines.len()), ("cleaned", "next", 4));
    assert_gone(&pids(&format!("{} {}", lines[0], lines[2])));
}

#[test]
fn the_end_of_the_stream_ends_everything() {
    let scripts = [
        "sleep 1000 & setsid sleep 1000 & echo pids $! $$; wait",
        "setsid sh -c 'trap \"\" TERM; (setsid sleep 1000 & echo pids $! $$); while :; do wait; done' & wait",
        "setsid yes >/dev/null & echo pids $! $$; yes",
    ];
    for script in scripts {
        let bench = Bench::new();
        let mut worker = Worker::start(&bench.job(&[script, "touch ../home/next"]));
        let pids = pids(&worker.line("pids "));
        worker.stop();
        assert_gone(&pids);
        assert!(!bench.path("room/home/next").exists());
        assert!(bench.path("room/tree/file").exists());
    }
}

#[test]
fn a_signal_to_the_worker_is_the_end_of_the_stream() {
    let bench = Bench::new();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut worker = Worker::start(&bench.job(&["setsid sleep 1000 & echo pids $! $$; wait"]));
        let pids = pids(&worker.line("pids "));
        kill_process(Pid::from_child(&worker.child), signal).unwrap();
        assert_eq!(worker.next(), None);
        worker.stop();
        assert_gone(&pids);
    }
}

#[test]
fn the_end_of_the_stream_ends_git_too() {
    let bench = Bench::new();
    fs::create_dir(bench.path("bin")).unwrap();
    bench.sh("mkfifo ../told; printf '#!/bin/sh\\nsleep 1000 & echo $! $$ >%s/told; wait' $HOME >../bin/git; chmod +x ../bin/git");
    let path = format!("{}:{}", bench.path("bin").display(), path().display());
    let worker = Worker::start_with(&bench.job(&["true"]), &path.into());
    let pids = pids(&fs::read_to_string(bench.path("told")).unwrap());
    worker.stop();
    assert_gone(&pids);
}

#[test]
fn a_killed_worker_takes_its_child_along() {
    let bench = Bench::new();
    let mut worker = Worker::start(&bench.job(&["echo pids $$; while :; do read x </dev/zero; done"]));
    let child = pidfd_open(pids(&worker.line("pids "))[0], PidfdFlags::empty()).unwrap();
    kill_process(Pid::from_child(&worker.child), Signal::KILL).unwrap();
    poll(&mut [PollFd::new(&child, PollFlags::IN)], None).unwrap();
    worker.child.wait().unwrap();
}

#[test]
fn a_crowd_that_grows_again_is_killed() {
    let respawner = "trap '' TERM HUP; while :; do sleep 1000 & wait; done";
    let comet = "comet() { setsid sh -c \"$c\" & exit; }; comet";
    let script = format!(
        "c='{comet}'; export c; setsid sh -c \"$c\"
        for i in $(seq 200); do setsid sh -c \"{respawner}\" & echo pids $!; done; echo all"
    );
    let outcome = Bench::new().build(&[&script]);
    assert_eq!(outcome.ends, [CheckEnd::Exited(0)]);
    assert!(outcome.log.ends_with("all\n"));
    assert_gone(&pids(&outcome.log.replace("pids", "").replace("all", "")));
}

#[test]
fn of_much_output_the_head_and_the_tail_are_passed_on_and_little_is_held() {
    let table = [("head -c 100000000 /dev/zero; printf end", 100_000_003), ("seq 100000000 120000000", 200_000_010)];
    for (script, count) in table {
        let outcome = Bench::new().build(&[script, "grep VmHWM /proc/$PPID/status"]);
        let (said, peak) = outcome.log.rsplit_once("VmHWM:").unwrap();
        let peak = peak.trim().strip_suffix("kB").unwrap().trim();
        assert!(peak.parse::<u32>().unwrap() < 32 * 1024, "{peak} kB");
        assert_eq!(said.len() as u64 + outcome.cut, count);
        assert!(said.ends_with("end") || said.ends_with("\n119999999\n120000000\n"), "{}", &said[said.len() - 90..]);
        assert!(said.len() < protocol::LOG_HEAD_BYTES_MAX + 20 * protocol::LOG_TAIL_BYTES_MAX, "{}", said.len());
    }
}

#[test]
fn silence_is_an_end_of_its_own_and_every_byte_of_output_puts_it_off() {
    let bench = Bench::new();
    let mut job = bench.job(&[
        "for i in 1 2 3 4 5 6; do printf .; sleep 0.5; done",
        "trap 'echo asked; exit 0' TERM; echo; setsid sleep 1000 & echo pids $! $$; while :; do wait; done",
        "sleep 1000 >/dev/null & pid=$!; echo pids $pid $$; wait $pid",
        "echo next",
    ]);
    let (short, silence) = (Duration::from_secs(1), Duration::from_secs(2));
    job.silence = silence;
    job.checks[2].timeout = short;
    let outcome = Worker::start(&job).outcome();
    let ends = [CheckEnd::Exited(0), CheckEnd::Silent(silence), CheckEnd::TimedOut(short), CheckEnd::Exited(0)];
    assert_eq!(outcome.ends, ends, "the sooner of the two wins");
    assert!(outcome.log.starts_with("......\npids ") && outcome.log.ends_with("\nnext\n"), "{}", outcome.log);
    assert!(outcome.log.contains("\nasked\n"), "{}", outcome.log);
    assert_gone(&pids(&outcome.log.replace(|c: char| !c.is_ascii_digit(), " ")));
}

/// A cgroup of the test's own with so much memory, if this user may make one. Removed with its value.
struct Cgroup(PathBuf);

const LIMIT_BYTES: u64 = 64 * 1024 * 1024;

impl Cgroup {
    fn new() -> Option<Cgroup> {
        let name = format!("pilotlight-test-{}", std::process::id());
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let (parent, limit) = if v1.exists() { (v1, "memory.limit_in_bytes") } else { (v1.parent()?, "memory.max") };
        let at = parent.join(name);
        let made = fs::create_dir(&at).and_then(|()| fs::write(at.join(limit), LIMIT_BYTES.to_string()));
        if let Err(error) = made {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("NOT RUN: a lack of memory, as no cgroup can be made: {error}\n"),
            );
            return None;
        }
        Some(Cgroup(at))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_lack_of_memory_is_told_also_when_only_a_grandchild_met_it() {
    let Some(cgroup) = Cgroup::new() else { return };
    let hog = "head -c 300000000 /dev/zero | tail -c 200000000 | tail -c 1";
    let bench = Bench::new();
    let mut job = bench.job(&[
        "echo in; read line < ../go",
        &format!("sh -c '{hog}; true' || exit 2; exit 2"), // as make does
        &format!("{hog}; true"),
        "exit 2",
        "kill -9 $$",
    ]);
    bench.sh("mkdir ../room; mkfifo ../room/go");
    job.room = bench.path("room");
    let mut worker = Worker::start(&job);
    worker.line("in");
    fs::write(cgroup.0.join("cgroup.procs"), worker.child.id().to_string()).unwrap();
    fs::write(bench.path("room/go"), "\n").unwrap();
    let mut ends = Vec::new();
    while let Some(news) = worker.next() {
        if let News::CheckFinished { end, .. } = news {
            ends.push(end);
        }
    }
    assert!(worker.child.wait().unwrap().success());
    let starved = CheckEnd::OutOfMemory { limit_bytes: Some(LIMIT_BYTES) };
    assert_eq!(ends[1..], [starved, CheckEnd::Exited(0), CheckEnd::Exited(2), CheckEnd::Signalled(9)]);
}
