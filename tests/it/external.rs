//! Others' results on the lamp: told by webhooks, read back, and kept.

use crate::support::PATIENCE;
use crate::support::payload::{pull, status};
use crate::support::scene::{APP, Scene};

fn with_others() -> Scene {
    Scene::with(&[("test", "true")], |c| c.set("lights.include_external", "true"))
}

fn lamp(scene: &Scene) -> (String, String) {
    let lights = scene.daemon.get_json("/api/v1/lights");
    let lit = ["red", "yellow", "green"].into_iter().filter(|colour| lights[*colour] != "off").collect::<Vec<_>>();
    (lit.join("+"), lights["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_others_say_counts_and_survives_a_power_cut() {
    let mut scene = with_others();
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "success");
    scene.daemon.wait_build(1, "success");
    let say = |scene: &Scene, state: &str, second: u64, form: bool| {
        let (code, answer) = scene.daemon.hook("status", &status(APP, &sha, "ci/travis", state, second), form);
        (code, answer["result"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(say(&scene, "pending", 1, false), (200, "Remembered for the lamp".to_owned()));
    assert_eq!(lamp(&scene), ("yellow".to_owned(), "acme/app#1 waits for ci/travis".to_owned()));
    assert_eq!(say(&scene, "failure", 3, true).0, 200);
    let failed = ("red".to_owned(), "acme/app#1: ci/travis failed".to_owned());
    assert_eq!(lamp(&scene), failed);
    assert_eq!(say(&scene, "success", 2, false), (200, "Understood status: nothing to build".to_owned()), "it is late");
    assert_eq!(lamp(&scene), failed);
    let page = scene.daemon.get_text("/", &[]);
    assert!(page.text().contains("ci/travis failed"), "{}", page.text());
    scene.power_cut();
    assert_eq!(lamp(&scene), failed);
    assert_eq!(say(&scene, "success", 4, false).0, 200);
    assert_eq!(lamp(&scene), ("green".to_owned(), "acme/app#1 passed".to_owned()));
}

#[test]
fn what_no_webhook_told_is_read_back() {
    let mut scene = with_others();
    let (sha, _) = scene.open(1);
    scene.shown(&sha, "test", "success");
    scene.daemon.sigterm();
    scene.github.list(APP, vec![pull("opened", APP, 1, &sha, 0).json()]);
    scene.github.show_others(&status(APP, &sha, "ci/jenkins", "error", 5));
    scene.daemon.restart(&scene.config);
    scene.daemon.wait_for_log("the lamp: acme/app#1: ci/jenkins failed");
    assert_eq!(lamp(&scene).0, "red");
    // Our own contexts, which GitHub shows as well, are not others'.
    scene.github.wait_for_asked(|asked| asked.iter().any(|a| a.path.contains("/status?")), PATIENCE);
    assert_eq!(scene.daemon.cli(&["status"]).stdout.matches("ci/jenkins failed").count(), 1);
}
