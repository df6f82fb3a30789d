use std::cell::RefCell;
use std::io::{PipeWriter, Write};
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::builder::log::log_path;
use crate::builder::tests::{done, ended, job, passed, said, started};
use crate::worker::protocol::WorkerJob;

fn patient() -> Patience<'static> {
    let minute = Duration::from_secs(60);
    Patience { work: minute, leave: minute, disks: [Path::new("/nowhere"); 2] }
}

struct Told {
    end: End,
    news: Vec<BuildNews>,
    log: String,
}

/// Follows a worker that is played by `peer` in a thread of its own. It may take what it is given, to cancel.
fn follow_peer(
    patience: Patience<'_>,
    peer: impl FnOnce(UnixStream, &mut Option<PipeWriter>) + Send + 'static,
) -> Told {
    let dir = TempDir::new().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (cancel, keep) = std::io::pipe().unwrap();
    let thread = thread::spawn(move || {
        let mut keep = Some(keep);
        peer(theirs, &mut keep);
        keep
    });
    let job = job(String::new(), String::new());
    let mut log = Log::create(dir.path(), 5);
    let news = RefCell::new(Vec::new());
    let mut course = Course::new(&job, &mut log);
    let end = follow(&ours, cancel.as_fd(), &mut course, patience, &|word| news.borrow_mut().push(word)).unwrap();
    drop(ours);
    thread.join().unwrap();
    log.end_section();
    Told { end, news: news.into_inner(), log: std::fs::read_to_string(log_path(dir.path(), 5)).unwrap() }
}

fn frames(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut bytes).unwrap());
    bytes
}

fn a_job() -> Frame {
    let job = job(String::new(), String::new());
    Frame::Job(Box::new(WorkerJob {
        shell: None,
        build: 5,
        repository: job.repository,
        pull: 7,
        sha: job.sha,
        base_sha: None,
        base_ref: job.base_ref,
        head_ref: job.head_ref,
        clone_url: String::new(),
        submodules: true,
        mirror: "/".into(),
        room: "/".into(),
        fresh: false,
        checks: job.checks,
        silence: job.silence,
        secrets: Vec::new(),
    }))
}

#[test]
fn a_worker_that_breaks_the_rules() {
    let kind = |kind: u8, length: u32, body: &[u8]| [&[kind], &length.to_be_bytes()[..], body].concat();
    let table = [
        (kind(2, FRAME_BYTES_MAX + 1, b""), "a frame of 1048577 bytes"),
        (kind(2, u32::MAX, b"x"), "a frame of 4294967295 bytes"),
        (kind(9, 0, b""), "there is no frame of kind 9"),
        (kind(3, 2, b"{}"), "a news frame is not understood: expected value at line 1 column 2"),
        (frames(&[a_job()]), "it handed us a job"),
        (frames(&[started(2)]), "check 2 started and is none that waits"),
        (frames(&[started(usize::MAX)]), "check 18446744073709551615 started and is none that waits"),
        (frames(&[started(0), started(0)]), "check 0 started beside another"),
        (frames(&[started(0), started(1)]), "check 1 started beside another"),
        (frames(&[passed(1)]), "check 1 finished and did not run"),
        (frames(&[passed(7)]), "check 7 finished and is none of the job"),
        (frames(&[started(0), passed(1)]), "check 1 finished and did not run"),
        (frames(&[started(0), passed(0), passed(0)]), "check 0 finished and did not run"),
        (frames(&[started(0), passed(0), started(0)]), "check 0 started and is none that waits"),
        (frames(&[done(None)]), "it was done before every check had run"),
        (frames(&[started(1), passed(1), done(None)]), "it was done before every check had run"),
        (frames(&[started(1), passed(1), started(0), done(None)]), "it was done before every check had run"),
    ];
    for (bytes, words) in table {
        // It stays on the line: only its words can have given it away.
        let told = follow_peer(patient(), move |mut stream, _keep| {
            stream.write_all(&bytes).unwrap();
            let _ = stream.read_exact(&mut [0]);
        });
        assert_eq!(told.end, End::Broken(format!("the worker broke the rules: {words}")));
    }
}

#[test]
fn what_it_claims_is_cut_to_what_can_be() {
    let long = CheckEnd::Broken(format!("a\nb\u{1b}{}", "c".repeat(5000)));
    let told = follow_peer(patient(), move |mut stream, _keep| {
        let said = [started(1), ended(1, CheckEnd::TimedOut(Duration::MAX)), started(0), ended(0, long), done(None)];
        stream.write_all(&frames(&said)).unwrap();
    });
    assert_eq!(told.end, End::Done { error: None });
    let silent = follow_peer(patient(), move |mut stream, _keep| {
        stream.write_all(&frames(&[started(0), ended(0, CheckEnd::Silent(Duration::MAX))])).unwrap();
    });
    let ends: Vec<_> = told
        .news
        .iter()
        .chain(&silent.news)
        .filter_map(|news| match news {
            BuildNews::CheckFinished { end, took, .. } => Some((end, took)),
            _ => None,
        })
        .collect();
    assert_eq!(ends[0].0, &CheckEnd::TimedOut(Duration::from_secs(60)));
    assert_eq!(ends[2].0, &CheckEnd::Silent(Duration::from_secs(30)));
    assert_eq!(ends[1].0, &CheckEnd::Broken(format!("a b {}", "c".repeat(196))));
    assert!(ends.iter().all(|(_, took)| **took < Duration::from_secs(60)), "{ends:?}");
}

#[test]
fn frames_arrive_in_any_pieces() {
    let bytes = frames(&[said(&"a".repeat(300)), started(0), passed(0), started(1), passed(1), done(None)]);
    for size in [1, 2, 3, 7, 100, bytes.len()] {
        let bytes = bytes.clone();
        let told = follow_peer(patient(), move |mut stream, _keep| {
            bytes.chunks(size).for_each(|piece| stream.write_all(piece).unwrap());
        });
        assert_eq!((told.end, told.news.len()), (End::Done { error: None }, 4), "pieces of {size}");
        assert!(told.log.starts_with(&"a".repeat(300)), "pieces of {size}");
    }
}

#[test]
fn a_stream_that_ends_without_a_word() {
    for bytes in [frames(&[]), frames(&[started(0)]), frames(&[done(None)])[..9].to_vec()] {
        let told = follow_peer(patient(), move |mut stream, _keep| stream.write_all(&bytes).unwrap());
        assert_eq!(told.end, End::Silent);
    }
}

#[test]
fn neither_silence_nor_chatter_holds_a_builder() {
    let short = Patience { work: Duration::from_millis(100), ..patient() };
    let told = follow_peer(short, |mut stream, _keep| {
        let _ = stream.read_exact(&mut [0]);
    });
    assert_eq!(told.end, End::Broken("the worker took too long".to_owned()));
    let told = follow_peer(short, |mut stream, _keep| {
        let drops = frames(&[said("x")]);
        while stream.write_all(&drops).is_ok() {}
    });
    assert_eq!(told.end, End::Broken("the worker took too long".to_owned()));
    let told = follow_peer(patient(), |mut stream, _keep| {
        let flood = frames(&[said(&"x".repeat(100_000))]);
        while stream.write_all(&flood).is_ok() {}
    });
    let words = "the worker broke the rules: it sent more of its output than will be kept";
    assert_eq!(told.end, End::Broken(words.to_owned()));
}

#[test]
fn a_cancelled_worker_is_heard_out_for_the_log_alone() {
    let told = follow_peer(patient(), |mut stream, keep| {
        stream.write_all(&frames(&[started(0)])).unwrap();
        keep.take();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the end of the stream is the order to stop");
        stream.write_all(&frames(&[said("last words\n"), passed(0)])).unwrap();
    });
    assert_eq!(told.end, End::Cancelled);
    // Whether the start was told depends on which came first; the end was not.
    assert!(told.news.iter().all(|news| matches!(news, BuildNews::CheckStarted { .. })), "{:?}", told.news);
    assert_eq!(told.log, "── lint: make test\nlast words\n");
}

#[test]
fn a_cancelled_worker_that_stays_is_left() {
    let patience = Patience { leave: Duration::from_millis(100), ..patient() };
    let told = follow_peer(patience, |mut stream, keep| {
        keep.take();
        let flood = frames(&[said(&"x".repeat(10_000))]);
        while stream.write_all(&flood).is_ok() {}
    });
    assert_eq!(told.end, End::Cancelled);
}

#[test]
fn what_a_worker_left_out_is_counted_as_cut() {
    let cut = |bytes| Frame::News(News::Cut { bytes });
    let told = follow_peer(patient(), move |mut stream, _keep| {
        let frames = frames(&[started(0), said("head\n"), cut(1000), said("middle"), cut(17), said("end"), passed(0)]);
        stream.write_all(&frames).unwrap();
        stream.write_all(&self::frames(&[started(1), cut(u64::MAX), cut(5), passed(1), done(None)])).unwrap();
    });
    assert_eq!(told.end, End::Done { error: None });
    let log = "── lint: make test\nhead\n── 1023 bytes of output are cut here ──\nend\n── test: make test\n\
               ── 18446744073709551615 bytes of output are cut here ──\n";
    assert_eq!(told.log, log);
}

#[test]
fn a_check_that_its_worker_does_not_end_is_ended() {
    // As when the worker was stopped: the check may take a minute, and has its grace.
    let mut job = job(String::new(), String::new());
    job.checks[0].timeout = Duration::ZERO;
    let dir = TempDir::new().unwrap();
    let mut log = Log::create(dir.path(), 5);
    let mut course = Course::new(&job, &mut log);
    assert!(!course.is_overdue());
    course.take(started(0)).map(drop).unwrap_or_else(|error| panic!("{error}"));
    assert!(!course.is_overdue());
    course.phases[0] = Phase::Runs { since: Instant::now().checked_sub(CHECK_GRACE).unwrap() };
    assert!(course.is_overdue());
    course.take(passed(0)).map(drop).unwrap_or_else(|error| panic!("{error}"));
    assert!(!course.is_overdue());
}

#[test]
fn patience_is_the_sum_of_what_may_be_needed() {
    let mut job = job(String::new(), String::new());
    assert_eq!(Patience::with(&job, patient().disks).work, Duration::from_secs(30 * 60 + 2 * (60 + 30)));
    job.checks[0].timeout = Duration::MAX;
    assert_eq!(Patience::with(&job, patient().disks).work, WORK_DEADLINE_MAX);
}
