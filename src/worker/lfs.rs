//! Git LFS: what is kept there is not fetched. A check finds its pointers, as after GitHub's own checkout, and the log
//! says so, or else nobody would know why a test reads three lines of text where a picture should be.

use std::fs::File;
use std::io::Read;

use anyhow::Result;

use super::processes::Sink;
use super::room::Room;

/// How much of `.gitattributes` is looked at, in bytes: git itself ignores one over 100 MB, people write a page.
const LOOK_BYTES_MAX: u64 = 64 * 1024;

/// For the log.
const NOTE: &str = "Note: .gitattributes names Git LFS. Its files are not fetched: checks find their pointers, or run \
                    `git lfs pull` themselves (README, Git LFS).\n";

/// Says so in `log` if the checkout's `.gitattributes` gives files to Git LFS.
pub fn note(room: &Room, log: &mut Sink) -> Result<()> {
    let path = room.tree.join(".gitattributes");
    let mut attributes = Vec::new();
    if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        // What can't be read says nothing.
        let _ = File::open(path).and_then(|file| file.take(LOOK_BYTES_MAX).read_to_end(&mut attributes));
    }
    let text = String::from_utf8_lossy(&attributes);
    let named = text.lines().any(|line| !line.starts_with('#') && line.contains("filter=lfs"));
    if named { log(NOTE.as_bytes()) } else { Ok(()) }
}
