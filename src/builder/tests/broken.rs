//! A mirror that a power cut broke costs no build, and one that is sound costs no reading.

use super::*;

#[test]
fn a_mirror_that_a_power_cut_broke_costs_no_build() {
    let well: String = [started(0), passed(0), started(1), passed(1), done(None)].map(say).concat();
    let bench = Bench::new(Isolation::None).worker(&format!(
        "export GIT_DIR=state/mirrors/acme__app_drs.git\n\
         if git cat-file -p refs/pull/7/head:file >&2; then {well} else {} fi",
        say(done(Some("git checkout: error: unable to read sha1 file of file")))
    ));
    assert_eq!(bench.news().len(), 6);
    bench.break_mirror();
    let news = bench.news();
    assert_eq!((news.len(), news.last()), (7, Some(&BuildNews::Finished { error: None })), "{news:?}");
}

/// It takes minutes to read a large mirror, and a stranger could ask for it with every push.
#[test]
fn only_what_looks_like_a_broken_mirror_has_it_read() {
    let corrupt = "git checkout: fatal: loose object 1 is corrupt";
    let submodule = "submodule x can't be fetched: remote error: all of it is corrupt";
    let table = [
        (vec![], "git checkout: error: unable to create file x: No space left on device", false),
        (vec![], "submodule x can't be fetched: Could not read from remote repository.", false),
        (vec![Frame::News(News::CheckedOut)], submodule, false),
        (vec![], corrupt, true),
    ];
    for (before, error, read) in table {
        let script: String = before.into_iter().chain([done(Some(error))]).map(say).collect();
        let bench = Bench::new(Isolation::None).worker(&script);
        assert_eq!(bench.news(), [BuildNews::Started, over(error)], "it is sound");
        bench.break_mirror();
        // Twice, as it was made anew between them.
        let expected = [BuildNews::Started, over(error)];
        let expected = if read { vec![BuildNews::Started, BuildNews::Started, over(error)] } else { expected.to_vec() };
        assert_eq!(bench.news(), expected, "{error}");
    }
}
