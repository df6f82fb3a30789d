//! Telling GitHub: the body of the thread `github`, one call at a time.
//!
//! [`client`] carries a request there and back, [`statuses`] knows what a commit status is and what each answer
//! means. Nothing is paced or retried here: `logic::outbox` decides that.

mod client;
mod doctor;
mod statuses;

#[cfg(test)]
mod tests;

use std::fmt;

use crossbeam_channel::Receiver;

pub use self::client::Client;
use crate::logic::event::{Post, PostOutcome};

/// Where GitHub's API is and who we are there.
#[derive(Clone, PartialEq, Eq)]
pub struct GithubConfig {
    /// `https://api.github.com`, or `https://HOST/api/v3` for an Enterprise Server.
    pub api_url: String,
    /// Without one, every post ends in [`PostOutcome::TokenRefused`] and no call is made.
    pub token: Option<String>,
}

impl fmt::Debug for GithubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "hidden");
        f.debug_struct("GithubConfig").field("api_url", &self.api_url).field("token", &token).finish()
    }
}

/// Posts what comes in, in order, and tells how each went. Returns when `posts` is disconnected and empty.
pub fn run(client: Client, posts: Receiver<Post>, told: impl Fn(Post, PostOutcome) + Send) {
    for post in posts {
        let outcome = client.post_status(&post);
        told(post, outcome);
    }
}
