use std::fs;
use std::time::Duration;

use expect_test::expect;

use super::{Config, Secret, Surroundings};
use crate::lights::DriverKind;
use crate::lights::pins::Pins;
use crate::logic::policy::{Approval, CheckPolicy, CheckSource, Follow, Isolation, Tested};

/// What people find beside pilotlight.
const SHIPPED: &str = include_str!("../../config/pilotlight.toml");

const REPOSITORY: &str = "[[repository]]\nname = \"acme/app\"\n";

fn surroundings() -> Surroundings {
    Surroundings {
        state_dir: Some("/state".into()),
        cache_dir: Some("/cache".into()),
        hostname: "box".to_owned(),
        ..Surroundings::default()
    }
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, "p.toml", &surroundings()).map_err(|error| error.0)
}

fn debug(config: &Config) -> String {
    format!("{config:#?}")
}

#[test]
fn what_is_left_out_is_as_the_contract_says() {
    let config = parse(REPOSITORY).unwrap();
    assert_eq!(config.webhook.listen, Some("127.0.0.1:4567".parse().unwrap()));
    assert_eq!((config.webhook.path.as_str(), config.webhook.max_body_bytes), ("/event_handler", 2 * 1024 * 1024));
    assert_eq!(config.github.api_url, "https://api.github.com");
    assert_eq!(config.dashboard.listen, Some("0.0.0.0:8080".parse().unwrap()));
    assert_eq!(config.dashboard.url(8080), "http://box.local:8080");
    assert_eq!(config.lights.driver, DriverKind::Gpio);
    assert_eq!(config.lights.pins, Pins { red: 21, yellow: 20, green: 16 });
    assert!(!config.lights.active_low && config.policy.blink && config.policy.follow == Follow::Latest);
    assert!(config.self_test && !config.policy.include_external && config.policy.lamp_repositories.is_empty());
    assert_eq!((config.policy.workers, config.policy.isolation), (1, Isolation::Systemd));
    assert_eq!(config.policy.approval, Approval::Forks);
    assert_eq!(config.database().to_str(), Some("/state/pilotlight.db"));
    assert_eq!(config.cache_dir.to_str(), Some("/cache"));
    let [repository] = &config.policy.repositories[..] else { panic!("one repository") };
    assert_eq!(repository.clone_url, "https://github.com/acme/app.git");
    let timeout = Duration::from_secs(3600);
    let check = CheckPolicy { context: "pilotlight".to_owned(), run: "script/cibuild".to_owned(), timeout };
    assert_eq!(repository.checks, [check]);
    assert_eq!((repository.check_source, repository.tested), (CheckSource::Box, Tested::Head));
    assert!(!repository.skip_ci);
}

#[test]
fn the_shipped_file_is_the_defaults_but_for_directories() {
    let shipped = parse(SHIPPED).unwrap();
    let directories = "state_dir = \"/var/lib/pilotlight\"\ncache_dir = \"/var/cache/pilotlight\"";
    let changed = format!("[storage]\n{directories}\n{REPOSITORY}");
    assert_eq!(debug(&shipped), debug(&parse(&changed).unwrap()));
}

/// Each `#key = value` of the shipped file, uncommented, is the default; those that have none are examples.
#[test]
fn the_shipped_file_shows_every_key_beside_its_default() {
    let is_key = |l: &&str| l.starts_with("#[[") || l[1..].split_once(" = ").is_some_and(|(k, _)| !k.contains(' '));
    let uncomment = |l: &str| l.strip_prefix('#').filter(|_| is_key(&l)).unwrap_or(l).to_owned() + "\n";
    let text: String =
        SHIPPED.lines().map(|l| if l.starts_with('#') { uncomment(l) } else { format!("{l}\n") }).collect();
    let mut all = parse(&text).unwrap();
    assert_eq!(all.webhook.secret_file.take().unwrap().to_str(), Some("/etc/pilotlight/webhook-secret"));
    assert_eq!(all.github.token_file.take().unwrap().to_str(), Some("/etc/pilotlight/github-token"));
    assert_eq!(all.dashboard.url.take().as_deref(), Some("http://pilotlight.local:8080"));
    assert_eq!(
        (all.state_dir.to_str(), all.cache_dir.to_str()),
        (Some("/var/lib/pilotlight"), Some("/var/cache/pilotlight"))
    );
    assert_eq!(all.policy.repositories[0].checks[0].context, "pilotlight/test");
    assert_eq!(all.policy.repositories[0].checks[0].timeout, Duration::from_secs(600));
    let shipped = parse(SHIPPED).unwrap();
    (all.state_dir, all.cache_dir) = (shipped.state_dir.clone(), shipped.cache_dir.clone());
    all.policy.repositories[0].checks = shipped.policy.repositories[0].checks.clone();
    assert_eq!(all.policy.repositories[0].id.take(), Some(123_456_789));
    let secret = all.policy.repositories[0].secrets.pop().unwrap();
    assert_eq!((secret.name.as_str(), secret.file.to_str()), ("NPM_TOKEN", Some("/etc/pilotlight/secrets/npm-token")));
    assert_eq!(debug(&all), debug(&shipped));
    let keys = "listen path secret_file max_body api_url token_file listen url driver pins active_low blink self_test \
                follow repositories include_external \
                workers timeout silence isolation approval state_dir cache_dir name id clone_url network skip_ci checks \
                test submodules context run timeout name file";
    let shown = text.lines().filter_map(|l| l.split_once(" = ")).map(|(key, _)| key).filter(|k| !k.starts_with('#'));
    assert_eq!(shown.collect::<Vec<_>>().join(" "), keys);
}

#[test]
fn everything_can_be_said() {
    let config = parse(
        "[webhook]\nlisten = \"off\"\n[dashboard]\nlisten = \"localhost:0\"\nurl = \"https://ci.acme.example/\"\n\
         [github]\napi_url = \"https://git.acme.example:8443/api/v3/\"\n\
         [lights]\ndriver = \"terminal\"\npreset = \"pi-traffic\"\nactive_low = true\nblink = false\nfollow = \"worst\"\n\
         self_test = false\nrepositories = [\"ACME/app\"]\ninclude_external = true\n\
         [builder]\nworkers = 16\ntimeout = \"1h 30m\"\nsilence = \"24h\"\nisolation = \"none\"\napproval = \"all\"\n\
         [[repository]]\nname = \"acme/app\"\nid = 9000000000\nclone_url = \"file:///srv/app.git\"\n\
         [[repository.check]]\ncontext = \"prüfen\"\nrun = \"make\"\ntimeout = \"2h\"\n\
         [[repository]]\nname = \"acme/.github\"\nskip_ci = true\nchecks = \"repository\"\ntest = \"merge\"\n",
    )
    .unwrap();
    assert_eq!((config.webhook.listen, config.dashboard.listen), (None, Some("127.0.0.1:0".parse().unwrap())));
    assert_eq!(config.dashboard.url(1), "https://ci.acme.example");
    assert_eq!(config.dashboard.url_host().as_deref(), Some("ci.acme.example"));
    assert_eq!(config.github.api_url, "https://git.acme.example:8443/api/v3");
    assert_eq!(config.lights.pins, Pins { red: 9, yellow: 10, green: 11 });
    let policy = config.policy;
    assert_eq!((policy.workers, policy.follow, policy.blink), (16, Follow::Worst, false));
    assert_eq!(policy.silence, Duration::from_secs(86_400));
    assert_eq!((config.self_test, policy.include_external), (false, true));
    assert!(policy.on_lamp("acme/App") && !policy.on_lamp("acme/.github") && !policy.on_lamp("acme/other"));
    assert_eq!((policy.isolation, policy.approval), (Isolation::None, Approval::All));
    assert_eq!(policy.repositories[0].clone_url, "file:///srv/app.git");
    assert_eq!(policy.repositories[0].checks[0].timeout, Duration::from_secs(5400), "the builder's is shorter");
    let second = &policy.repositories[1];
    assert_eq!((policy.repositories[0].id, second.id), (Some(9_000_000_000), None));
    assert_eq!((second.check_source, second.tested, second.skip_ci), (CheckSource::Repository, Tested::Merge, true));
    assert_eq!(second.clone_url, "https://git.acme.example:8443/acme/.github.git");
    assert_eq!(
        parse(&format!("[webhook]\nmax_body = \"25 MiB\"\n{REPOSITORY}")).unwrap().webhook.max_body_bytes,
        25 << 20
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_its_cure() {
    let wrong = [
        "[webhok]",
        "[lights]\nactivelow = true",
        "[lights]\ndriver = \"gpoi\"",
        "[lights]\nfollow = \"best\"",
        "[lights]\nrepositories = [\"acme/ap\"]",
        "[lights]\nrepositories = \"acme/app\"",
        "[builder]\nisolation = \"docker\"",
        "[builder]\napproval = \"fork\"",
        "[builder]\nworkers = 17",
        "[builder]\nworkers = -1",
        "[builder]\nworkers = \"two\"",
        "[builder]\ntimeout = 10",
        "[builder]\ntimeout = \"10\"",
        "[builder]\ntimeout = \"999ms\"",
        "[builder]\ntimeout = \"99999999999999999999y\"",
        "[webhook]\nlisten = \"4567\"",
        "[webhook]\nlisten = \"localhost:99999\"",
        "[webhook]\npath = \"event\"",
        "[webhook]\npath = \"/a b?\"",
        "[webhook]\nmax_body = \"2 MBytes\"",
        "[webhook]\nmax_body = \"26 MiB\"",
        "[webhook]\nmax_body = \"99999999999999999999 MiB\"",
        "[dashboard]\nurl = \"box:8080\"",
        "[dashboard]\nurl = \"http://a b\"",
        "[github]\napi_url = \"https://me:pw@host\"",
        "[github]\ntoken = \"t\"",
        "[webhook]\nsecret = \"s\"",
        "[dashboard]\nhostname = \"h\"",
        "[lights]\npins = { red = 21, yellow = 20 }",
        "[lights]\npins = { red = 21, yellow = 20, green = 21 }",
        "[lights]\npins = { red = 21, yellow = 20, green = 400 }",
        "[lights]\npreset = \"pi-trafic\"",
        "[lights]\npreset = \"jamhat\"\npins = { red = 21, yellow = 20, green = 16 }",
        "[storage]\nstate_dir = \"state\"",
        "[[repository]]",
        "[[repository]]\nname = \"acme/app/x\"",
        "[[repository]]\nname = \"../..\"",
        "[[repository]]\nname = \"a/b\"\nid = -1",
        "[[repository]]\nname = \"a/b\"\nclone_url = \"ext::sh -c id\"",
        "[[repository]]\nname = \"a/b\"\n[[repository.check]]\ncontext = \"\"\nrun = \"x\"",
        "[[repository]]\nname = \"a/b\"\n[[repository.check]]\ncontext = \"a\\u0007\"\nrun = \"x\"",
        "[[repository]]\nname = \"a/b\"\n[[repository.check]]\ncontext = \"a\"",
        "[[repository]]\nname = \"a/b\"\n[[repository.check]]\ncontext = \"a\\u202eb\"\nrun = \"x\"",
        "[[repository]]\nname = \"a/b\"\nchecks = \"repository\"\n[[repository.check]]\ncontext = \"a\"\nrun = \"x\"",
        "[[repository]]\nname = \"a/b\"\nchecks = \"head\"",
        "[[repository]]\nname = \"a/b\"\ntest = \"base\"",
        "[[repository]]\nname = \"a/b\"\nskip-ci = true",
        "[builder]\n# ü\n\"wörkers\" = 1",
        "[builder]\nworkers = 1\nworkers = 2",
        "[builder",
    ];
    let said = |text: &str| parse(&if text.contains("[[") { text.to_owned() } else { format!("{text}\n{REPOSITORY}") });
    let said: Vec<_> = wrong.iter().map(|text| said(text).map(|_| ()).expect_err(text)).collect();
    expect![[r#"
        p.toml:1:2: unknown key `webhok`: did you mean `webhook`?
        p.toml:2:1: unknown key `activelow`: did you mean `active_low`?
        p.toml:2:10: unknown value `gpoi`, expected one of `gpio`, `gpiochip`, `terminal`, `none`
        p.toml:2:10: unknown value `best`, expected `latest` or `worst`
        p.toml:2:17: there is no [[repository]] `acme/ap`: did you mean `acme/app`?
        p.toml:2:16: invalid type: string "acme/app", expected a sequence
        p.toml:2:13: unknown value `docker`, expected `systemd` or `none`
        p.toml:2:12: unknown value `fork`, expected one of `forks`, `none`, `all`
        p.toml:2:11: workers = 17 is out of range: between 1 and 16
        p.toml:2:11: invalid value: integer `-1`, expected a number
        p.toml:2:11: invalid type: string "two", expected a number
        p.toml:2:11: invalid type: integer `10`, expected a string
        p.toml:2:11: `10` is no duration (time unit needed, for example 10sec or 10ms): write it like "90s" or "10m"
        p.toml:2:11: `999ms` is out of range: a timeout is between "1s" and "24h"
        p.toml:2:11: `99999999999999999999y` is no duration (number is too large or cannot be represented without a lack of precision (values below 1ns are not supported)): write it like "90s" or "10m"
        p.toml:2:10: `4567` is no address: write "off", or an address and a port like "127.0.0.1:4567" or "[::]:8080"
        p.toml:2:10: `localhost:99999` is no address: write "off", or an address and a port like "127.0.0.1:4567" or "[::]:8080"
        p.toml:2:8: `event` is no path: write it like "/event_handler"
        p.toml:2:8: `/a b?` is no path: write it like "/event_handler"
        p.toml:2:12: `2 MBytes` is no size: write it like "2 MiB" or "500 KiB"
        p.toml:2:12: `26 MiB` is out of range: between "1 KiB" and "25 MiB"
        p.toml:2:12: `99999999999999999999 MiB` is no size: write it like "2 MiB" or "500 KiB"
        p.toml:2:7: `box:8080` is no address: write it like "http://pilotlight.local:8080"
        p.toml:2:7: `http://a b` is no address: write it like "http://pilotlight.local:8080"
        p.toml:2:11: an address here holds no user or password: the token goes into github.token_file
        p.toml:2:1: unknown key `token`: did you mean `token_file`?
        p.toml:2:1: unknown key `secret`: did you mean `secret_file`?
        p.toml:2:1: unknown key `hostname`: did you mean `listen`?
        p.toml:2:8: missing key `green`
        p.toml:2:8: green can't have pin 21: red has it already; free are 4–6, 12–13, 16–19, 22–27
        p.toml:2:41: invalid value: integer `400`, expected a number
        p.toml:2:10: no board is called "pi-trafic"; the nearest are `pi-traffic`, `pi-stop-c`, `pi-stop-a` (hardware.md has all)
        p.toml:3:8: pins and preset name the same thing: keep one of them
        p.toml: storage.state_dir = state is relative: write it from the root, like /var/lib/pilotlight
        p.toml:1:1: missing key `name`
        p.toml:2:8: `acme/app/x` is no repository: write owner and name, like "acme/app"
        p.toml:2:8: `../..` is no repository: write owner and name, like "acme/app"
        p.toml:3:6: invalid value: integer `-1`, expected a number
        p.toml:3:13: `ext::sh -c id` can't be cloned from: write it like "https://github.com/acme/app.git" (https, ssh and file work)
        p.toml:4:11: `` is no context: write a short name like "pilotlight/test"
        p.toml:4:11: `a\u{7}` is no context: write a short name like "pilotlight/test"
        p.toml:3:1: missing key `run`
        p.toml:4:11: `a\u{202e}b` is no context: write a short name like "pilotlight/test"
        p.toml:5:11: checks = "repository" takes the checks from .pilotlight.toml of the head: remove this [[repository.check]], or write checks = "box"
        p.toml:3:10: unknown value `head`, expected `box` or `repository`
        p.toml:3:8: unknown value `base`, expected `head` or `merge`
        p.toml:3:1: unknown key `skip-ci`: did you mean `skip_ci`?
        p.toml:3:1: unknown key `wörkers`: did you mean `workers`?
        p.toml:3:1: duplicate key
        p.toml:1:9: unclosed table, expected `]`
    "#]].assert_eq(&(said.join("\n") + "\n"));
}

/// A secret is a variable that means nothing else, and a file.
#[test]
fn secrets_for_builds_are_named_with_care() {
    let said = |secrets: &[(&str, &str)]| {
        let table = |(name, file): &(&str, &str)| format!("[[repository.secret]]\nname = {name:?}\nfile = {file:?}\n");
        let text = REPOSITORY.to_owned() + &secrets.iter().map(table).collect::<String>();
        parse(&text).map(|config| config.policy.repositories[0].secrets.len())
    };
    let many: Vec<_> = (0..17).map(|n| format!("S{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "/f")).collect();
    assert_eq!((said(&many[..16]), said(&[("_t0ken", "/f"), ("_T0KEN", "/f")])), (Ok(16), Ok(2)));
    let names = ["", "A-B", "1A", "Ä", "A\nB", "PILOTLIGHT_SHA", "HOME", "PYTHONPATH", "LD_PRELOAD", "GIT_DIR", "ENV"];
    let wrong = names.map(|name| vec![(name, "/f")]).into_iter();
    let wrong = wrong.chain([many.clone(), vec![("A", "/f"), ("A", "/g")], vec![("A", "secrets/f")]]);
    let said: Vec<_> = wrong.map(|secrets| said(&secrets).expect_err("it is wrong")).collect();
    expect![[r#"
        p.toml:4:8: `` is no variable: write letters, digits and _, like "NPM_TOKEN"
        p.toml:4:8: `A-B` is no variable: write letters, digits and _, like "NPM_TOKEN"
        p.toml:4:8: `1A` is no variable: write letters, digits and _, like "NPM_TOKEN"
        p.toml:4:8: `Ä` is no variable: write letters, digits and _, like "NPM_TOKEN"
        p.toml:4:8: `A\nB` is no variable: write letters, digits and _, like "NPM_TOKEN"
        p.toml:4:8: `PILOTLIGHT_SHA` has a meaning of its own in a build: call the secret something else
        p.toml:4:8: `HOME` has a meaning of its own in a build: call the secret something else
        p.toml:4:8: `PYTHONPATH` has a meaning of its own in a build: call the secret something else
        p.toml:4:8: `LD_PRELOAD` has a meaning of its own in a build: call the secret something else
        p.toml:4:8: `GIT_DIR` has a meaning of its own in a build: call the secret something else
        p.toml:4:8: `ENV` has a meaning of its own in a build: call the secret something else
        p.toml:52:8: there are more than 16 secrets: join some in one file
        p.toml:7:8: the secret A is there twice: keep one of them
        p.toml:5:8: secrets/f is relative: write it from the root, like /etc/pilotlight/…
    "#]]
    .assert_eq(&(said.join("\n") + "\n"));
    assert_eq!(
        parse(&format!("{REPOSITORY}[[repository.secret]]\nname = \"A\"")).unwrap_err(),
        "p.toml:3:1: missing key `file`"
    );
}

/// The file that is named, else the credential, else the environment.
#[test]
fn secrets_come_from_where_they_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let config = |listen: &str, file: &str| {
        let file = if file.is_empty() { String::new() } else { format!("secret_file = {:?}\n", path(file)) };
        parse(&format!("[webhook]\nlisten = \"{listen}\"\n{file}{REPOSITORY}")).unwrap()
    };
    let mut around = surroundings();
    let read = |config: Config, around: &Surroundings| {
        let config = config.with_secrets(around).map_err(|e| e.0.replace(&path("").display().to_string(), "DIR/"))?;
        Ok::<_, String>(config.webhook.secret.map(|s| s.expose().to_owned()))
    };
    let cure = "there is no webhook secret: put the secret of the webhook page into a file and name it as \
                webhook.secret_file, or set PILOTLIGHT_WEBHOOK_SECRET";
    assert_eq!(read(config("127.0.0.1:0", ""), &around), Err(cure.to_owned()));
    assert_eq!(read(config("off", ""), &around), Ok(None));
    around.webhook_secret = Some(Secret::new("from the environment"));
    around.credentials_dir = Some(path(""));
    assert_eq!(read(config("127.0.0.1:0", ""), &around), Ok(Some("from the environment".to_owned())));
    fs::write(path("webhook-secret"), "the credential\r\n").unwrap();
    assert_eq!(read(config("127.0.0.1:0", ""), &around), Ok(Some("the credential".to_owned())));
    fs::write(path("own"), " the file \n\n").unwrap();
    assert_eq!(read(config("127.0.0.1:0", "own"), &around), Ok(Some(" the file ".to_owned())));
    let missing = "the secret DIR/none can't be read (No such file or directory (os error 2))";
    assert_eq!(read(config("127.0.0.1:0", "none"), &around), Err(missing.to_owned()));
    for (text, words) in [
        ("\n", "the secret DIR/own is empty"),
        ("one\ntwo\n", "the secret DIR/own has more than one line: keep the secret alone in it"),
        (&"x".repeat(5000), "the secret DIR/own is larger than 4096 bytes"),
    ] {
        fs::write(path("own"), text).unwrap();
        assert_eq!(read(config("127.0.0.1:0", "own"), &around), Err(words.to_owned()));
    }
    assert_eq!(format!("{:?}", around.webhook_secret), "Some((secret))");
}

fn of_head(text: &str) -> Result<Vec<CheckPolicy>, String> {
    super::checks_of_head(text, false)
}

fn check(context: &str, run: &str, timeout: Duration) -> CheckPolicy {
    CheckPolicy { context: context.to_owned(), run: run.to_owned(), timeout }
}

#[test]
fn a_head_names_its_checks() {
    assert_eq!(of_head(""), Ok(vec![]));
    assert_eq!(of_head("# none\ncheck = []\n"), Ok(vec![]));
    let text = "[[check]]\ncontext = \"lint\"\nrun = \"make lint\"\n\n\
                [[check]]\ncontext = \"test\"\nrun = \"\"\"make\nmake test\"\"\"\ntimeout = \"90s\"\n";
    let lint = check("lint", "make lint", Duration::MAX);
    assert_eq!(of_head(text), Ok(vec![lint, check("test", "make\nmake test", Duration::from_secs(90))]));
}

#[test]
fn what_is_wrong_in_a_heads_file_is_told_with_its_place() {
    let many = |count: usize| -> String {
        (0..count).map(|n| format!("[[check]]\ncontext = \"c{n}\"\nrun = \"x\"\n")).collect()
    };
    assert_eq!(of_head(&many(20)).map(|checks| checks.len()), Ok(20));
    let wrong = [
        "[[check]]\ncontext = \"a\"\nrum = \"x\"",
        "[[check]]\nrun = \"x\"",
        "[[chek]]\ncontext = \"a\"",
        "[[check]]\ncontext = \"\"\nrun = \"x\"",
        "[[check]]\ncontext = \"a\\u202Eb\"\nrun = \"x\"",
        "[[check]]\ncontext = \"a\"\nrun = \" \"",
        "[[check]]\ncontext = \"a\"\nrun = \"x\"\n[[check]]\ncontext = \"A\"\nrun = \"x\"",
        "[[check]]\ncontext = \"a\"\nrun = \"x\"\ntimeout = \"2d\"",
        "[[check]]\ncontext = \"a\"\nrun = [\"x\"]",
        "check = 7",
        "[[check]\n",
        "approval = \"none\"",
        "[builder]\nisolation = \"none\"",
        "skip_ci = true",
        &many(21),
        &"[".repeat(60_000),
    ];
    let said: Vec<_> = wrong.iter().map(|text| of_head(text).expect_err(text)).collect();
    expect![[r#"
        .pilotlight.toml line 3, column 1: unknown key `rum`: did you mean `run`?
        .pilotlight.toml line 1, column 1: missing key `context`
        .pilotlight.toml line 1, column 3: unknown key `chek`: did you mean `check`?
        .pilotlight.toml line 2, column 11: `` is no context: write a short name like "pilotlight/test"
        .pilotlight.toml line 2, column 11: `a\u{202e}b` is no context: write a short name like "pilotlight/test"
        .pilotlight.toml line 3, column 7: run is empty: write the command, like run = "make test"
        .pilotlight.toml line 5, column 11: `A` and `a` are the same context to GitHub: rename one
        .pilotlight.toml line 4, column 11: `2d` is out of range: a timeout is between "1s" and "24h"
        .pilotlight.toml line 3, column 7: invalid type: sequence, expected a string
        .pilotlight.toml line 1, column 9: invalid type: integer `7`, expected a sequence
        .pilotlight.toml line 1, column 9: unclosed array table, expected `]`
        .pilotlight.toml line 1, column 1: unknown key `approval`: did you mean `check`?
        .pilotlight.toml line 1, column 2: unknown key `builder`: did you mean `check`?
        .pilotlight.toml line 1, column 1: unknown key `skip_ci`: did you mean `check`?
        .pilotlight.toml line 62, column 11: 21 checks: 20 is the most
        .pilotlight.toml line 1, column 3: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`
    "#]]
    .assert_eq(&(said.join("\n") + "\n"));
}

/// Or a fork's head could write over the status of another service.
#[test]
fn a_strangers_contexts_are_ours() {
    let of = |context: &str| super::checks_of_head(&format!("[[check]]\ncontext = {context:?}\nrun = \"x\""), true);
    for fine in ["pilotlight", "pilotlight/test", "Pilotlight/Test"] {
        assert_eq!(of(fine), Ok(vec![check(fine, "x", Duration::MAX)]));
    }
    for wrong in ["ci/deploy", "pilotlightly", "pilot/light", " pilotlight"] {
        let place = ".pilotlight.toml line 2, column 11";
        assert_eq!(of(wrong), Err(format!("{place}: a fork's contexts begin with `pilotlight/`: rename this one")));
    }
}
