use super::*;
use crate::config::{Config, Surroundings};

#[test]
fn the_template_takes_every_answer() {
    assert!(TEMPLATE.contains(EXAMPLE));
    let text = set(TEMPLATE, "lights", "pins", "{ red = 5, yellow = 6, green = 12 }");
    let text = set(&text, "lights", "active_low", "true");
    let text = set(&text, "github", "api_url", "\"https://ghe.example/api/v3\"");
    let text = replace_example(&text, "team/thing", Some("make \"test\""));
    let text = add_repository(&text, "team/other", None);
    let config = Config::parse(&text, "the template", &Surroundings::default()).unwrap();
    let names: Vec<_> = config.policy.repositories.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["team/thing", "team/other"]);
    assert_eq!(config.policy.repositories[0].checks[0].run, "make \"test\"");
    assert_eq!((config.lights.pins.green, config.lights.active_low), (12, true));
    assert_eq!(config.github.api_url, "https://ghe.example/api/v3");
    assert_eq!(text.lines().filter(|line| line.starts_with("[lights]")).count(), 1);
}

#[test]
fn only_the_one_line_changes() {
    let text = "[a]\n# says x = 1\n#x = 1\n\n[b]\nx = 2\n";
    let cases = [
        (set(text, "a", "x", "3"), "[a]\n# says x = 1\nx = 3\n\n[b]\nx = 2\n"),
        (set(text, "b", "x", "3"), "[a]\n# says x = 1\n#x = 1\n\n[b]\nx = 3\n"),
        (set(text, "b", "y", "3"), "[a]\n# says x = 1\n#x = 1\n\n[b]\ny = 3\nx = 2\n"),
        (set(text, "c", "z", "3"), "[a]\n# says x = 1\n#x = 1\n\n[b]\nx = 2\n\n[c]\nz = 3\n"),
        (unset(text, "b", &["x"]), "[a]\n# says x = 1\n#x = 1\n\n[b]\n"),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}
