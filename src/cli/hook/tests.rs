use super::payload_url;

#[test]
fn the_address_that_a_person_gives() {
    let cases = [
        ("https://ci.example.com", Ok("https://ci.example.com/event_handler")),
        ("https://ci.example.com:8443/", Ok("https://ci.example.com:8443/event_handler")),
        ("https://ci.example.com/event_handler", Ok("https://ci.example.com/event_handler")),
        ("ci.example.com", Err("`ci.example.com` is no address: write it like https://ci.example.com")),
        ("https://", Err("`https://` is no address: write it like https://ci.example.com")),
        ("https://a@b", Err("`https://a@b` is no address: write it like https://ci.example.com")),
        (
            "https://ci.example.com/hooks",
            Err("/hooks is not webhook.path (/event_handler): leave it out, or change one of them"),
        ),
    ];
    for (given, expected) in cases {
        let found = payload_url(given, "/event_handler");
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{given}");
    }
}
