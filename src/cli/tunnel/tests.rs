use serde_json::{Value, json};

use super::*;

#[test]
fn each_tunnel_tells_its_address() {
    let endpoint = |url: &str, upstream: &str| json!({ "url": url, "upstream": { "url": upstream } });
    let tunnel = |url: &str, addr: &str| json!({ "public_url": url, "config": { "addr": addr } });
    let ngrok = |answer: Value| of_ngrok(&answer, 4567);
    let cases = [
        (
            ngrok(json!({ "endpoints": [endpoint("https://x.ngrok.app", "http://localhost:8080"),
                endpoint("https://1a2b.ngrok-free.app", "http://localhost:4567")] })),
            Some("https://1a2b.ngrok-free.app"),
        ),
        (
            ngrok(json!({ "tunnels": [tunnel("http://1a2b.ngrok.io", "http://localhost:4567"),
                tunnel("https://1a2b.ngrok.io", "http://localhost:4567")] })),
            Some("https://1a2b.ngrok.io"),
        ),
        (ngrok(json!({ "endpoints": [endpoint("https://x.ngrok.app", "http://localhost:14567")] })), None),
        (ngrok(json!({ "endpoints": [endpoint("tcp://x.ngrok.app:1", "localhost:4567")] })), None),
        (ngrok(json!({ "endpoints": [endpoint("https://x/\r\ny", "localhost:4567")] })), None),
        (ngrok(json!({ "endpoints": "none" })), None),
        (of_cloudflared(&json!({ "hostname": "a-b.trycloudflare.com" })), Some("https://a-b.trycloudflare.com")),
        (of_cloudflared(&json!({ "hostname": "" })), None),
        (of_tailscale(&json!({ "Self": { "DNSName": "pi.tail1234.ts.net." } })), Some("https://pi.tail1234.ts.net")),
        (of_tailscale(&json!({ "Self": null })), None),
    ];
    for (i, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found.as_deref(), expected, "case {i}");
    }
}
