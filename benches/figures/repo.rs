//! Repositories to build from, made once and kept below `target/bench`, and the least that git can do with them.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Files that each pull request changes.
const CHANGED_FILES: usize = 3;

/// A bare repository with pull requests 1, 2, 3 and so on, each one commit on top of `main`.
pub struct Origin {
    path: PathBuf,
    /// The head of pull request N is at N - 1.
    heads: Vec<String>,
}

/// How large a repository is to be.
#[derive(Clone, Copy)]
pub struct Size {
    pub files: usize,
    pub file_bytes: usize,
    pub pulls: usize,
}

impl Origin {
    /// Made where it is not there yet.
    pub fn of(size: Size, below: &Path) -> Origin {
        let path = below.join(format!("{}x{}-{}.git", size.files, size.file_bytes, size.pulls));
        if !path.is_dir() {
            make(size, &path);
        }
        let refs = git(&path, &["for-each-ref", "--format=%(refname) %(objectname)", "refs/pull"]);
        let mut heads: Vec<(usize, String)> = refs.lines().filter_map(head).collect();
        heads.sort_unstable();
        Origin { path, heads: heads.into_iter().map(|(_, sha)| sha).collect() }
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// The head of pull request `number`, which begin with 1.
    pub fn head(&self, number: usize) -> &str {
        &self.heads[number - 1]
    }
}

/// The least that a build can be: fetch one pull request into a warm mirror, check out in a tree that is used
/// again, run `true`.
pub struct BareGit {
    mirror: PathBuf,
    tree: PathBuf,
    url: String,
}

impl BareGit {
    pub fn new(below: &Path, origin: &Origin) -> BareGit {
        let (mirror, tree) = (below.join("floor.git"), below.join("floor"));
        git(below, &["init", "-q", "--bare", "--template=", "floor.git"]);
        git(below, &["init", "-q", "--template=", "floor"]);
        let objects = format!("{}\n", mirror.join("objects").display());
        fs::create_dir_all(tree.join(".git/objects/info")).expect("below our own directory");
        fs::write(tree.join(".git/objects/info/alternates"), objects).expect("below our own directory");
        BareGit { mirror, tree, url: origin.url() }
    }

    pub fn build(&self, number: usize, sha: &str) -> Duration {
        let begun = Instant::now();
        let refspec = format!("+{sha}:refs/pull/{number}/head");
        let fetch = ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"];
        git(&self.mirror, &[&fetch[..], &[&self.url, &refspec]].concat());
        git(&self.tree, &["checkout", "-q", "--force", "--detach", sha]);
        assert!(Command::new("true").status().is_ok_and(|status| status.success()), "`true` fails");
        begun.elapsed()
    }
}

/// Under another name first: a half-made one is never used.
fn make(size: Size, path: &Path) {
    let unfinished = path.with_extension("new");
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished).expect("a directory below target");
    git(&unfinished, &["init", "-q", "--bare", "--template=", "-b", "main", "."]);
    let mut command = git_command(&unfinished);
    command.args(["-c", "core.compression=1", "fast-import", "--quiet"]).stdin(Stdio::piped());
    let mut import = command.spawn().expect("git starts");
    let stream = import.stdin.take().expect("piped");
    write_history(size, &mut BufWriter::new(stream)).expect("git fast-import takes it");
    assert!(import.wait().is_ok_and(|status| status.success()), "git fast-import fails");
    git(&unfinished, &["pack-refs", "--all"]);
    fs::rename(&unfinished, path).expect("a directory of ours");
}

/// As git-fast-import(1) wants it.
fn write_history(size: Size, out: &mut impl Write) -> std::io::Result<()> {
    let mut random = fastrand::Rng::with_seed(7);
    commit(out, "refs/heads/main", "Everything")?;
    for file in 0..size.files {
        change(out, file, &text(&mut random, size.file_bytes))?;
    }
    for pull in 1..=size.pulls {
        commit(out, &format!("refs/pull/{pull}/head"), "A change")?;
        writeln!(out, "from refs/heads/main")?;
        for nth in 0..CHANGED_FILES {
            change(out, (pull * CHANGED_FILES + nth) % size.files, &text(&mut random, size.file_bytes))?;
        }
    }
    out.flush()
}

fn commit(out: &mut impl Write, reference: &str, message: &str) -> std::io::Result<()> {
    writeln!(out, "commit {reference}\ncommitter Octo Cat <octo@example.com> 1767225600 +0000")?;
    writeln!(out, "data {}\n{message}", message.len())
}

fn change(out: &mut impl Write, file: usize, text: &[u8]) -> std::io::Result<()> {
    writeln!(out, "M 100644 inline src/{:03}/{file}.txt\ndata {}", file / 100, text.len())?;
    out.write_all(text)?;
    writeln!(out)
}

/// Digits and line breaks: about as compressible as code.
fn text(random: &mut fastrand::Rng, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| if at % 64 == 63 { b'\n' } else { b'0' + random.u8(..10) }).collect()
}

/// `refs/pull/N/head SHA`
fn head(line: &str) -> Option<(usize, String)> {
    let (name, sha) = line.split_once(' ')?;
    let number = name.strip_prefix("refs/pull/")?.strip_suffix("/head")?;
    Some((number.parse().ok()?, sha.to_owned()))
}

#[track_caller]
fn git(directory: &Path, args: &[&str]) -> String {
    let output = git_command(directory).args(args).output().expect("git starts");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("git speaks UTF-8")
}

/// git without anyone's configuration.
fn git_command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(directory).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command
}
