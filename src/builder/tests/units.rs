//! Builds with a thread in the place of a repository's unit.

use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};

use super::*;

#[test]
fn a_unit_does_a_build() {
    let bench = Bench::new(Isolation::Systemd);
    let listener = UnixListener::bind(bench.dir.path().join("acme__app_drs.sock")).unwrap();
    let unit = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        Frame::Log(Vec::new()).write(&mut stream).unwrap();
        let job = Frame::read(&mut stream).unwrap().unwrap();
        done(Some("no\nspace left")).write(&mut stream).unwrap();
        job
    });
    assert_eq!(bench.news(), [BuildNews::Started, over("no space left")]);
    let Frame::Job(job) = unit.join().unwrap() else { panic!("not a job") };
    assert_eq!(job.mirror, bench.config.state_dir.join("mirrors/acme__app_drs.git"));
    assert_eq!(job.room, bench.config.unit_rooms.join("acme__app_drs"));
    assert_eq!((job.build, job.pull, job.checks.len()), (5, 7, 2));
    assert!(git(&job.mirror, &["cat-file", "-e", &job.sha], "").is_some());
}

#[test]
fn a_unit_starts_while_the_head_is_fetched() {
    let bench = Bench::new(Isolation::Systemd);
    let listener = UnixListener::bind(bench.dir.path().join("acme__app_drs.sock")).unwrap();
    let unit = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        Frame::Log(Vec::new()).write(&mut stream).unwrap();
        Frame::read(&mut stream).unwrap();
        done(Some("no")).write(&mut stream).unwrap();
        Frame::read(&mut listener.accept().unwrap().0).unwrap()
    });
    assert_eq!(bench.news(), [BuildNews::Started, over("no")]);
    let (seen, _keep, thread) = bench.build("file:///nowhere".to_owned());
    assert!(matches!(seen.recv().unwrap(), BuildNews::NotFetched { .. }));
    thread.join().unwrap();
    // Else a unit that nobody has called would wait for ever.
    if let Ok(mut stream) = UnixStream::connect(bench.dir.path().join("acme__app_drs.sock")) {
        let _ = done(None).write(&mut stream);
    }
    assert!(unit.join().unwrap().is_none(), "it was called, and there was no job");
}

#[test]
fn a_unit_that_dies_is_told_of() {
    let ended = |result: &str| {
        let (result, status) = (result.to_owned(), "KILL".to_owned());
        Some(Frame::News(News::UnitEnded { result, status }))
    };
    let table = [
        (ended("oom-kill"), "Out of memory: the build was ended"),
        (ended("signal"), "Killed: the build's worker met signal KILL"),
        (ended("a\nb\u{1b}"), "The build was ended by systemd: a b"),
        (
            Some(done(None)),
            "the worker ended without a word (see journalctl -u pilotlight-build@acme__app_drs.service)",
        ),
        (None, "the worker ended without a word (see journalctl -u pilotlight-build@acme__app_drs.service)"),
    ];
    for (word, error) in table {
        let bench = Bench::new(Isolation::Systemd);
        let listener = UnixListener::bind(bench.dir.path().join("acme__app_drs.sock")).unwrap();
        let unit = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            Frame::Log(Vec::new()).write(&mut stream).unwrap();
            let job = Frame::read(&mut stream).unwrap();
            drop(stream);
            let (mut asked, _) = listener.accept().unwrap();
            word.into_iter().for_each(|word| word.write(&mut asked).unwrap());
            job
        });
        assert_eq!(bench.news(), [BuildNews::Started, over(error)]);
        assert!(matches!(unit.join().unwrap(), Some(Frame::Job(_))));
    }
}

/// While its last build ends, systemd closes what waits at the socket; and what tells of that end takes us for whoever
/// asked.
#[test]
fn a_unit_that_turns_us_away_is_asked_again() {
    let bench = Bench::new(Isolation::Systemd);
    let listener = UnixListener::bind(bench.dir.path().join("acme__app_drs.sock")).unwrap();
    let unit = thread::spawn(move || {
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        let (result, status) = ("signal".to_owned(), "KILL".to_owned());
        Frame::News(News::UnitEnded { result, status }).write(&mut stream).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        Frame::Log(Vec::new()).write(&mut stream).unwrap();
        let job = Frame::read(&mut stream).unwrap();
        done(None).write(&mut stream).unwrap();
        job
    });
    let news = bench.news();
    assert_eq!(news[0], BuildNews::Started, "{news:?}");
    assert!(matches!(unit.join().unwrap(), Some(Frame::Job(_))));
}

/// As when its predecessor's end takes a while, and when it is ended itself before the head is fetched.
#[test]
fn a_unit_that_leaves_while_the_head_is_fetched_is_called_again() {
    let bench = Bench::new(Isolation::Systemd);
    let listener = UnixListener::bind(bench.dir.path().join("acme__app_drs.sock")).unwrap();
    let unit = thread::spawn(move || {
        let serve = || {
            let (mut stream, _) = listener.accept().unwrap();
            Frame::Log(Vec::new()).write(&mut stream).unwrap();
            let job = Frame::read(&mut stream).unwrap();
            done(Some("no")).write(&mut stream).unwrap();
            job
        };
        serve();
        drop(listener.accept().unwrap());
        let mut words = Vec::new();
        Frame::Log(Vec::new()).write(&mut words).unwrap();
        done(Some("a word without a job")).write(&mut words).unwrap();
        listener.accept().unwrap().0.write_all(&words).unwrap();
        serve()
    });
    // The first one makes the mirror, without which no unit is called early.
    for _ in 0..2 {
        assert_eq!(bench.news(), [BuildNews::Started, over("no")]);
    }
    assert!(matches!(unit.join().unwrap(), Some(Frame::Job(_))));
}

/// A person at a shell may think.
#[test]
fn a_worker_that_has_greeted_may_be_silent() {
    let dir = TempDir::new().unwrap();
    let listener = UnixListener::bind(dir.path().join("x.sock")).unwrap();
    let unit = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        Frame::Log(Vec::new()).write(&mut stream).unwrap();
        stream
    });
    let (cancel, _held) = std::io::pipe().unwrap();
    let worker = Worker::unit(dir.path(), "x", cancel.as_fd(), None).unwrap().unwrap();
    assert_eq!((worker.waits(), worker.stream.read_timeout().unwrap()), (true, None));
    drop(unit.join());
    assert!(!worker.waits());
}
