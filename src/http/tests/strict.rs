//! What is let in, and what is refused with which words.

use super::*;

#[test]
fn a_whole_request_comes_through_every_door_as_it_was_sent() {
    let house = house(limits());
    let uid = rustix::process::getuid().as_raw();
    let hostile = "X-Pilotlight-Gate: control 0\r\nConnection: keep-alive, te\r\nTE: chunked\r\nCookie: a\r\n";
    let table = [
        (
            Door::Webhook,
            post(&format!("{hostile}{JSON}X-GitHub-Event: ping\r\nContent-Length: 2\r\n"), "{}"),
            r#"{"body":2,"door":"Webhook","headers":["ping","close"],"host":"x","method":"POST","path":"/event_handler","query":"","uid":null}"#.to_owned(),
        ),
        (
            Door::Webhook,
            "POST /event_handler?a=%20b?c HTTP/1.0\r\ncontent-LENGTH:0003 \r\n\
             content-type:\tAPPLICATION/x-www-form-urlencoded ; charset=utf-8\r\n\r\na=b"
                .to_owned(),
            r#"{"body":3,"door":"Webhook","headers":["close"],"host":null,"method":"POST","path":"/event_handler","query":"a=%20b?c","uid":null}"#.to_owned(),
        ),
        (
            Door::Dashboard,
            format!("GET /%2e/x?y HTTP/1.1\r\nHost: pi.local:8080\r\nRange: bytes=1-\r\n{hostile}\r\n"),
            r#"{"body":0,"door":"Dashboard","headers":["close","bytes=1-"],"host":"pi.local:8080","method":"GET","path":"/%2e/x","query":"y","uid":null}"#.to_owned(),
        ),
        (
            Door::Control,
            format!("POST / HTTP/1.1\r\n{hostile}{JSON}Content-Length: 1\r\n\r\n1"),
            format!(r#"{{"body":1,"door":"Control","headers":["close"],"host":null,"method":"POST","path":"/","query":"","uid":{uid}}}"#),
        ),
    ];
    for (door, request, seen) in table {
        let answer = house.ask(door, &request);
        assert_eq!((status(&answer), body(&answer)), (200, &*seen), "{request}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(answer.contains("\r\nX-Test: yes\r\n"), "{answer}");
        assert!(!answer.contains("X-Bad") && !answer.contains("tiny"), "{answer}");
    }
}

/// Door, status, words of the answer, request; `~` stands for CR LF, `POST` alone for the webhook's.
const REFUSALS: &str = "
webhook | 431 | longer than 16 KiB | DELETE /other HTTP/1.1~X: BIG
webhook | 431 | more than 100 headers | DELETE /other HTTP/1.1~MANY~
webhook | 400 | is not one plain number | DELETE /other HTTP/1.1~Content-Length: -1~~
webhook | 404 | the webhook's URL must end in the path that `webhook.path` names | DELETE /other HTTP/1.1~~
webhook | 404 | `webhook.path` | GET /healthz HTTP/1.1~~
webhook | 404 | `webhook.path` | POST /event_handler/ HTTP/1.1~~
webhook | 405 | only POST will do here | DELETE /event_handler HTTP/1.1~~
webhook | 405 | only POST will do here | post /event_handler HTTP/1.1~~
webhook | 411 | say the body's length in Content-Length | POST~~
webhook | 411 | Transfer-Encoding is not understood here | POST~Transfer-Encoding: chunked~~0~~
webhook | 411 | Transfer-Encoding | POST~Transfer-Encoding: x~Content-Length: 99999999~~
webhook | 413 | longer than 2097152 bytes | POST~Content-Length: 100000000000000~~{}
webhook | 413 | longer than 2097152 bytes | POST~Content-Length: 99999999999999999999999999~~{}
webhook | 413 | longer than 2097152 bytes | POST~Content-Length: 2097153~~
webhook | 415 | must be application/json or application/x-www-form-urlencoded | POST~Content-Length: 9~~
webhook | 415 | must be application/json | POST~Content-Type: text/json~Content-Length: 9~~
dashboard | 405 | only GET, HEAD will do here | POST / HTTP/1.1~~
dashboard | 413 | longer than 65536 bytes | GET / HTTP/1.1~Content-Length: 65537~~
dashboard | 411 | Transfer-Encoding | GET / HTTP/1.1~Transfer-Encoding: chunked~~
control | 405 | only GET, POST will do here | PUT / HTTP/1.1~~
control | 415 | must be application/json | POST / HTTP/1.1~Content-Length: 1~~1
";

#[test]
fn the_first_reason_that_applies_is_the_answer() {
    let house = house(limits());
    for line in REFUSALS.trim().lines() {
        let [door, expected, words, request] = *line.split(" | ").collect::<Vec<_>>() else { panic!("{line}") };
        let request = request.replace("POST~", "POST /event_handler HTTP/1.1~").replace('~', "\r\n");
        let request = request.replace("BIG", &"x".repeat(16 * 1024)).replace("MANY", &"a: b\r\n".repeat(101));
        let answer = house.ask(front::door(door).expect("a door"), request);
        assert_eq!(status(&answer).to_string(), expected, "{line} → {answer}");
        let json: serde_json::Value = serde_json::from_str(body(&answer)).expect("JSON");
        assert!(json["result"].as_str().expect("words").contains(words), "{line} → {json}");
        assert_eq!(answer.contains("\r\nAllow: "), expected == "405");
    }
    assert!(house.ask(Door::Webhook, "GET /event_handler HTTP/1.1\r\n\r\n").contains("\r\nAllow: POST\r\n"));
    let to_head = house.ask(Door::Webhook, "HEAD /event_handler HTTP/1.1\r\n\r\n");
    assert_eq!((status(&to_head), body(&to_head)), (405, ""));
    assert_eq!(house.handled.load(Ordering::SeqCst), 0, "none of it went further");
}

#[test]
fn heads_that_two_servers_could_read_differently_are_refused() {
    let house = house(limits());
    let table: &[&[u8]] = &[
        b"POST /event_handler HTTP/1.1\nContent-Length: 0\n\n",
        b"POST /event_handler HTTP/1.1\r\nA: b\nContent-Length: 0\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nA: b\rContent-Length: 0\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\n A: b\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nContent-Length:\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nX-Hub-Signature-256: a\r\nX-Hub-Signature-256: b\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nX-GitHub-Event: \xc3\xa9\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nA: \0\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /event_handler HTTP/1.1\r\n: empty\r\n\r\n",
        b"POST  /event_handler HTTP/1.1\r\n\r\n",
        b"POST /event_handler HTTP/2.0\r\n\r\n",
        b"POST /event_handler\r\n\r\n",
        b"POST http://x/event_handler HTTP/1.1\r\n\r\n",
        b"POST /\xc3\xa9 HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    ];
    for request in table {
        let answer = house.ask(Door::Webhook, request);
        let shown = String::from_utf8_lossy(request);
        assert_eq!(status(&answer), 400, "{shown:?} → {answer}");
        assert!(body(&answer).starts_with("{\"result\":\"the request's head is malformed: "), "{shown:?} → {answer}");
    }
    assert_eq!(house.handled.load(Ordering::SeqCst), 0, "none of it went further");
    let pipelined = format!("{}GET / HTTP/1.1\r\n\r\n", post(&format!("{JSON}Content-Length: 2\r\n"), "{}"));
    assert_eq!(house.ask(Door::Webhook, pipelined).matches("HTTP/1.1 ").count(), 1);
    assert_eq!(house.handled.load(Ordering::SeqCst), 1, "what follows a request is no request");
}

#[test]
fn slow_and_broken_requests_end() {
    let short = Duration::from_millis(100);
    let house = house(Limits { head: short, body: short, ..limits() });
    let begun = post(&format!("{JSON}Content-Length: 5\r\n"), "1234");
    assert_eq!(status(&house.ask(Door::Webhook, "")), 408);
    assert_eq!(status(&house.ask(Door::Webhook, "POST /event_handler HTTP/1.1\r\n")), 408);
    let answer = house.ask(Door::Webhook, &begun);
    assert_eq!((status(&answer), body(&answer)), (408, r#"{"result":"the request's body came too slowly"}"#));
    for broken in ["POST /eve", &begun] {
        let mut stream = tcp(house.webhook);
        stream.write_all(broken.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(status(&read_all(&mut stream)), 400);
    }
    assert_eq!(house.handled.load(Ordering::SeqCst), 0);
}

#[test]
fn a_drip_of_bytes_prolongs_no_deadline() {
    let house = house(Limits { head: Duration::from_millis(300), ..limits() });
    let mut stream = tcp(house.webhook);
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let started = Instant::now();
    let mut answer = [0; 12];
    loop {
        // Fails once the gate has closed; the answer can be read all the same.
        let _ = stream.write_all(b"x");
        match stream.read(&mut answer) {
            Ok(bytes) => break assert_eq!(&answer[..bytes], b"HTTP/1.1 408"),
            Err(_) => assert!(started.elapsed() < PATIENCE, "it drips for ever"),
        }
    }
}

#[test]
fn what_comes_after_the_deadline_is_late() {
    let (mut near, far) = UnixStream::pair().unwrap();
    near.write_all(b"x").unwrap();
    let wire = wire::Wire::new(far.into()).unwrap();
    assert_eq!(wire.read(&mut [0], Instant::now(), None), Err(wire::Stall::Late));
    assert_eq!(wire.write_all(b"x", Instant::now()), Err(wire::Stall::Late));
}

#[test]
fn answers_reach_whoever_is_still_sending() {
    let house = house(limits());
    let body = "x".repeat(3_000_000);
    for (headers, expected) in [("Content-Length: 3000000\r\n", 413), ("Transfer-Encoding: chunked\r\n", 411)] {
        let answer = house.ask(Door::Webhook, post(headers, &body));
        assert_eq!(status(&answer), expected);
    }
    assert_eq!(status(&house.ask(Door::Webhook, post("Content-Length: 100000000000000\r\n", &body))), 413);
    let largest = post(&format!("{JSON}Content-Length: 2097152\r\n"), &body[..2_097_152]);
    assert!(house.ask(Door::Webhook, largest).contains(r#"{"body":2097152,"#), "it lives, and takes the largest");
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let house = house(limits());
    let mut stream = tcp(house.webhook);
    stream.write_all(post(&format!("{JSON}Expect: 100-Continue\r\nContent-Length: 2\r\n"), "").as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").unwrap();
    assert_eq!(status(&read_all(&mut stream)), 200);
    let refused = house.ask(Door::Webhook, post("Expect: 100-continue\r\nContent-Length: 3000000\r\n", ""));
    assert_eq!(status(&refused), 413, "and is not, when the body would be refused");
}

#[test]
fn only_the_office_is_near() {
    let near = ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.1.1", "::1", "fe80::1", "fd00::1"];
    let mapped = ["::ffff:192.168.0.1", "::ffff:127.0.0.1"];
    let far = ["8.8.8.8", "172.32.0.1", "100.64.0.1", "0.0.0.0", "::", "2001:db8::1", "::ffff:8.8.8.8", "fec0::1"];
    for (addresses, expected) in [(&near[..], true), (&mapped[..], true), (&far[..], false)] {
        for address in addresses {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(porter::is_near(parsed), expected, "{address}");
        }
    }
}
