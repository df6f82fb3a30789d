//! One request that two servers could take for two.

use super::siege::{DOORS, Door, Siege};
use super::wave::{answers, open};

/// What stands between the request line and the smuggled request; `~` is CR LF. Beside each, what it relies on.
const HEADS: &[&str] = &[
    "Content-Length: 0~~",                                  // pipelining
    "Content-Length: 5, 5~~aaaaa",                          // a list
    "Content-Length: +5~~aaaaa",                            // a sign
    "Content-Length: 0x5~~aaaaa",                           // another base
    "Content-Length: 5~Content-Length: 5~~aaaaa",           // the same twice
    "Content-Length: 5~Content-Length: 0~~aaaaa",           // two that differ
    "Content-Length: 5~Transfer-Encoding: chunked~~0~~",    // CL.TE
    "Transfer-Encoding: chunked~Content-Length: 5~~0~~",    // TE.CL
    "Transfer-Encoding: chunked~~5~aaaaa~0~~",              // chunks that nobody reads
    "Transfer-Encoding: xchunked~~",                        // an unknown coding
    "Transfer-Encoding:\u{b}chunked~~0~~",                  // a strange space
    "Transfer-Encoding: chunked~Transfer-Encoding: x~~0~~", // one hides the other
    "A: b~ Content-Length: 5~~aaaaa",                       // obs-fold
    "A: b~\tTransfer-Encoding: chunked~~0~~",               // obs-fold with a tab
    "A: b\nContent-Length: 5~~aaaaa",                       // bare LF
    "A: b\n\n",                                             // a bare end
    "A: b\rContent-Length: 5~~aaaaa",                       // bare CR
    "A: b\0Content-Length: 5~~aaaaa",                       // NUL
    "Content-Length : 5~~aaaaa",                            // a space before the colon
    "Content-Length\0: 5~~aaaaa",                           // NUL in a name
    " Content-Length: 5~~aaaaa",                            // a space before the name
    "Connection: keep-alive~Content-Length: 0~~",           // kept alive
    "Connection: Content-Length~Content-Length: 0~~",       // a length for this hop only
    "Expect: 100-continue~Content-Length: 0~~",
    "Upgrade: h2c~Connection: Upgrade~Content-Length: 0~~",
    "X-Pilotlight-Gate: control 0~Content-Length: 0~~", // the gate's own word
];

#[test]
fn one_connection_is_one_request() {
    let siege = Siege::start();
    let contraband = siege.contraband();
    for door in DOORS {
        let line = match door {
            Door::Webhook => "POST /event_handler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
            Door::Dashboard => "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        };
        for head in HEADS {
            let first = format!("{line}{}", head.replace('~', "\r\n"));
            let mut stream = open(&siege, door, &[first.as_bytes(), &contraband].concat());
            let statuses = answers(&mut stream);
            assert_eq!(statuses.len(), 1, "{door:?} {head:?} → {statuses:?}");
            let refused = [400, 401, 411].contains(&statuses[0]);
            assert!(refused || (door == Door::Dashboard && statuses[0] == 200), "{door:?} {head:?} → {statuses:?}");
        }
    }
    assert_eq!(siege.builds(), 0, "what was smuggled is no delivery");
    // The same bytes, sent openly, are one: else this test could not fail.
    assert_eq!(answers(&mut open(&siege, Door::Webhook, &contraband)), [202]);
    assert_eq!(siege.builds(), 1);
    siege.assert_recovers();
}
