//! What merging the head into its base gives, where that is what is tested.
//!
//! Made of the mirror's objects alone, as git does it when nobody has configured anything: without a file system around
//! it, so that neither attributes nor drivers of any tree have a say, be it an earlier build's. GitHub's own merges
//! know none either. The same two commits always give the same one.

use std::fmt;

use anyhow::{Context, Result, ensure};

use super::{Tree, is_sha};
use crate::logic::build::CheckEnd;

/// git's exit code for words it does not know.
const USAGE: i32 = 129;

/// Who made the commit, and when: nobody, and always at the same time.
const NAME: &str = "pilotlight";
const EMAIL: &str = "pilotlight@localhost";
const DATE: &str = "2000-01-01T00:00:00Z";

/// Why there is no merge to be checked out. Another tree would not help.
#[derive(Debug)]
pub enum NoMerge {
    /// What is in conflict stands in the log.
    Conflict,
    Impossible(String),
}

impl fmt::Display for NoMerge {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NoMerge::Conflict => f.write_str("the head is in conflict with its base"),
            NoMerge::Impossible(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for NoMerge {}

impl Tree<'_, '_> {
    /// The commit to be checked out: the merge, or the head itself where no merge is tested or none is needed.
    ///
    /// # Errors
    /// [`NoMerge`]; `Stopped`; what git says.
    pub fn commit(&mut self) -> Result<String> {
        let job = self.job;
        let (head, base_ref) = (&job.sha, &job.base_ref);
        let Some(base) = &job.base_sha else { return Ok(head.clone()) };
        ensure!(is_sha(base), "“{base}” is not the full sha of a commit");
        let (end, common) = self.bare(&["merge-base", base, head])?;
        match end {
            CheckEnd::Exited(0) if common == *head || common == *base => return Ok(head.clone()),
            CheckEnd::Exited(0) => {}
            CheckEnd::Exited(1) => {
                let why = format!("there is nothing to merge: the head and {base_ref} have no history in common");
                return Err(NoMerge::Impossible(why).into());
            }
            _ => return Err(self.failed("merge-base", end, common.as_bytes())),
        }
        let tree = self.merge_trees(base, head)?;
        let message = format!("Merge {head} into {base_ref}");
        let (end, commit) = self.bare(&["commit-tree", "-p", base, "-p", head, "-m", &message, &tree])?;
        if end != CheckEnd::Exited(0) || !is_sha(&commit) {
            return Err(self.failed("commit-tree", end, commit.as_bytes()));
        }
        let note = format!("Merged into {base_ref} at {base}: HEAD is {commit}.\n");
        (self.log)(note.as_bytes())?;
        Ok(commit)
    }

    /// The tree of the merge.
    fn merge_trees(&mut self, base: &str, head: &str) -> Result<String> {
        let (end, said) = self.bare(&["merge-tree", "--write-tree", "--name-only", base, head])?;
        match end {
            // A warning may stand around it.
            CheckEnd::Exited(0) => {
                said.lines().find(|line| is_sha(line)).map(str::to_owned).context("git merge-tree named no tree")
            }
            CheckEnd::Exited(1) => {
                let (_, files) = said.split_once('\n').unwrap_or_default();
                let note = format!("These files are in conflict with {}:\n{files}\n", self.job.base_ref);
                (self.log)(note.as_bytes())?;
                Err(NoMerge::Conflict.into())
            }
            CheckEnd::Exited(USAGE) => {
                let why = "test = \"merge\" needs git 2.38 or newer on the box: update git, or write test = \"head\"";
                Err(NoMerge::Impossible(why.to_owned()).into())
            }
            _ => Err(self.failed("merge-tree", end, said.as_bytes())),
        }
    }

    /// git with an empty directory for its work tree and no index. How it ended, and what it said.
    fn bare(&mut self, args: &[&str]) -> Result<(CheckEnd, String)> {
        let mut command = self.git_command(args);
        let empty = &self.room.tmp;
        command.current_dir(empty).env("GIT_WORK_TREE", empty).env("GIT_INDEX_FILE", empty.join("index"));
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), NAME).env(format!("GIT_{role}_EMAIL"), EMAIL);
            command.env(format!("GIT_{role}_DATE"), DATE);
        }
        let (end, said) = self.run(command)?;
        Ok((end, String::from_utf8_lossy(&said).trim_end().to_owned()))
    }
}

#[cfg(test)]
mod tests;
