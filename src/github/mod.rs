//! Telling GitHub: the body of the thread `github`, one call at a time.
//!
//! [`client`] carries a request there and back, [`statuses`] knows what a commit status is and what each answer
//! means, [`lookups`] asks when catching up, [`doctor`] for `pilotlight check`, [`hooks`] makes and mends our webhook.
//! Nothing is paced or retried here: `logic::outbox` decides that.

mod client;
mod doctor;
mod hooks;
mod lookups;
mod statuses;

#[cfg(test)]
mod tests;

use crossbeam_channel::Receiver;

pub use self::client::Client;
pub use self::hooks::{Hook, Wanted};
use self::lookups::Lists;
use crate::logic::event::{Comment, Found, LookUp, Post, PostOutcome, PullPayload};

/// A call to be made.
pub enum Call {
    Post(Post),
    LookUp(LookUp),
    /// Whoever asks has forgotten all lists: "the same as last time" says nothing to them.
    Forget,
}

/// How a call went.
pub enum Heard {
    Posted(Post, PostOutcome),
    LookedUp(LookUp, Result<Found, PostOutcome>),
    /// When the token expires, UTC seconds since 1970: told once, and when it changes.
    TokenExpires(i64),
}

/// Makes the calls that come in, in order, and tells how each went. `hook_path` is the path of our hook's address;
/// `understand` reads a page of a repository's pull requests, `word` the payload of a comment's delivery. Returns when `calls` is disconnected and empty.
pub fn run(
    client: Client,
    calls: Receiver<Call>,
    hook_path: &str,
    understand: impl Fn(&str, &str) -> Result<Vec<PullPayload>, String> + Send,
    word: fn(&str) -> Option<Comment>,
    tell: impl Fn(Heard) + Send,
) {
    let mut lists = Lists::default();
    let mut expires = None;
    for call in calls {
        tell(match call {
            Call::Post(post) => {
                let outcome = client.post_status(&post);
                Heard::Posted(post, outcome)
            }
            Call::LookUp(what) => {
                let found = client.look_up(&what, hook_path, &mut lists, &understand, word);
                Heard::LookedUp(what, found)
            }
            Call::Forget => {
                lists.clear();
                expires = None;
                continue;
            }
        });
        if client.token_expires() != expires {
            expires = client.token_expires();
            expires.into_iter().for_each(|at| tell(Heard::TokenExpires(at)));
        }
    }
}
