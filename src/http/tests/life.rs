//! Crowds, answers, changes, ends.

use super::*;

#[test]
fn a_full_door_answers_503_and_leaves_the_others_free() {
    let house = house(limits());
    let idle: Vec<_> = (0..200).map(|_| tcp(house.webhook)).collect();
    let seen = house.ask(Door::Dashboard, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(status(&seen), 200);
    // Sent whole before the answer is looked at: unread bytes must not cost the answer.
    let unread = post(&format!("{JSON}Content-Length: 60000\r\n"), &"x".repeat(60_000));
    let refused = house.ask(Door::Webhook, unread);
    assert_eq!(
        (status(&refused), body(&refused)),
        (503, r#"{"result":"too many connections: try again in a moment"}"#)
    );
    assert!(refused.contains("\r\nRetry-After: 10\r\n"), "{refused}");
    drop(idle);
    let good = post(&format!("{JSON}Content-Length: 2\r\n"), "{}");
    let started = Instant::now();
    while status(&house.ask(Door::Webhook, &good)) != 200 {
        assert!(started.elapsed() < PATIENCE, "it stays full");
    }
}

#[test]
fn all_bodies_together_are_bounded() {
    let (keep, kept) = mpsc::channel();
    let house = house_with(Limits { body_bytes_sum_max: 1000, ..limits() }, move |request| keep.send(request).unwrap());
    let request = |bytes: usize| post(&format!("{JSON}Content-Length: {bytes}\r\n"), &"x".repeat(bytes));
    let mut first = house.connect(Door::Webhook);
    first.write_all(request(900).as_bytes()).unwrap();
    let held = kept.recv_timeout(PATIENCE).unwrap();
    let refused = house.ask(Door::Webhook, request(101));
    assert_eq!((status(&refused), body(&refused).contains("too many large requests")), (503, true));
    assert!(refused.contains("\r\nRetry-After: 10\r\n"), "{refused}");
    let mut small = house.connect(Door::Webhook);
    small.write_all(request(100).as_bytes()).unwrap();
    kept.recv_timeout(PATIENCE).unwrap().answer(Response::json(200, &"small"));
    assert_eq!(status(&read_all(&mut small)), 200);
    held.answer(Response::json(200, &"first"));
    assert_eq!(status(&read_all(&mut first)), 200);
    let mut second = house.connect(Door::Webhook);
    second.write_all(request(1000).as_bytes()).unwrap();
    kept.recv_timeout(PATIENCE).unwrap().answer(Response::json(200, &"second"));
    assert_eq!(status(&read_all(&mut second)), 200, "what was held is given back");
}

#[test]
fn slow_readers_stop_nobody() {
    const BYTES: u64 = 256 * 1024 * 1024; // more than all buffers on the way hold
    let house = house_with(limits(), |request| {
        if request.path == "/small" {
            return request.answer(Response::json(200, &"small"));
        }
        let file = tempfile::tempfile().unwrap();
        file.set_len(BYTES).unwrap();
        let body = Body::File { file, bytes: BYTES };
        request.answer(Response { status: 200, content_type: "text/plain", headers: Vec::new(), body });
    });
    let mut slow = house.connect(Door::Dashboard);
    slow.write_all(b"GET /large HTTP/1.1\r\n\r\n").unwrap();
    let mut start = [0; 12];
    slow.read_exact(&mut start).unwrap();
    assert_eq!(status(&house.ask(Door::Dashboard, "GET /small HTTP/1.1\r\n\r\n")), 200);
    let head = house.ask(Door::Dashboard, "HEAD /large HTTP/1.1\r\n\r\n");
    assert!(head.contains(&format!("\r\nContent-Length: {BYTES}\r\n")) && body(&head).is_empty(), "{head}");
}

#[test]
fn a_large_file_comes_whole() {
    let house = house_with(limits(), |request| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'x'; 5_000_000]).unwrap();
        file.seek(SeekFrom::Start(10)).unwrap();
        let body = Body::File { file, bytes: 4_000_000 };
        request.answer(Response { status: 206, content_type: "text/plain", headers: Vec::new(), body });
    });
    let answer = house.ask(Door::Dashboard, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((status(&answer), body(&answer).len()), (206, 4_000_000));
    assert!(answer.contains("\r\nContent-Length: 4000000\r\n"));
}

#[test]
fn an_unanswered_request_is_answered_anyway() {
    let (keep, kept) = mpsc::channel();
    let house = house_with(Limits { answer: Duration::from_millis(100), ..limits() }, move |request| {
        if request.path == "/keep" {
            keep.send(request).unwrap();
        }
    });
    assert_eq!(status(&house.ask(Door::Dashboard, "GET /drop HTTP/1.1\r\n\r\n")), 503);
    let answer = house.ask(Door::Dashboard, "GET /keep HTTP/1.1\r\n\r\n");
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("\r\nRetry-After: 10\r\n"));
    kept.recv().unwrap().answer(Response::json(200, &"too late"));
}

#[test]
fn a_front_that_is_gone_comes_back() {
    let house = house(limits());
    for generation in ["front.sock", "front.sock.1", "front.sock.2"] {
        assert_eq!(status(&house.ask(Door::Dashboard, "GET / HTTP/1.1\r\n\r\n")), 200, "before {generation} is gone");
        let path = house.room.path().join(generation);
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
    }
    let answers: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = tcp(house.dashboard);
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for mut stream in answers {
        assert_eq!(status(&read_all(&mut stream)), 200);
    }
    assert!(house.room.path().join("front.sock.3").exists(), "one new server for all of them");
    assert!(!house.room.path().join("front.sock.4").exists());
}

#[test]
fn closing_ends_what_is_not_whole_and_answers_what_is() {
    let (keep, kept) = mpsc::channel();
    let mut house = house_with(limits(), move |request| keep.send(request).unwrap());
    let mut begun = tcp(house.webhook);
    begun.write_all(b"POST /event_handler").unwrap();
    let mut whole = house.connect(Door::Control);
    whole.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let request = kept.recv_timeout(PATIENCE).unwrap();
    house.gate.as_ref().unwrap().close();
    assert_eq!(status(&read_all(&mut begun)), 503);
    request.answer(Response::json(200, &"done"));
    assert_eq!(body(&read_all(&mut whole)), "\"done\"");
    drop((begun, whole));
    drop(house.gate.take());
    assert!(TcpStream::connect(house.webhook).is_err(), "the door is gone");
}

#[test]
fn rules_can_change_while_it_runs() {
    let house = house(limits());
    house.gate.as_ref().unwrap().reconfigure(WebhookRules { path: "/new".into(), body_bytes_max: 1 });
    let good = post(&format!("{JSON}Content-Length: 2\r\n"), "{}");
    assert_eq!(status(&house.ask(Door::Webhook, &good)), 404);
    assert_eq!(status(&house.ask(Door::Webhook, good.replace("/event_handler", "/new"))), 413);
}

#[test]
fn probes_tell_life_from_death() {
    let mut house = house(limits());
    assert!(probe(&house.control, PATIENCE));
    assert_eq!(house.handled.load(Ordering::SeqCst), 1, "it goes all the way");
    drop(house.gate.take());
    assert!(!probe(&house.control, PATIENCE), "nobody listens");
    let mute = house.room.path().join("mute.sock");
    let _mute = UnixListener::bind(&mute).unwrap();
    assert!(!probe(&mute, Duration::from_millis(50)), "nobody answers");
}

#[test]
fn a_path_that_no_socket_can_have_is_named() {
    let config = |path: String| GateConfig {
        webhook: None,
        dashboard: None,
        control: None,
        rules: WebhookRules { path: "/".into(), body_bytes_max: 1 },
        private_socket: path.into(),
        limits: limits(),
    };
    let path = format!("/{}", "x".repeat(99));
    let error = Gate::start(config(path.clone())).err().expect("it is too long");
    let words = format!("{path} is too long for a Unix socket by 1 bytes: choose a shorter storage.state_dir");
    assert_eq!(error.to_string(), words);
    let error = Gate::start(config("/nowhere/front.sock".into())).err().expect("there is no such place");
    assert_eq!(error.to_string(), "could not start the inner web server on /nowhere/front.sock");
}
