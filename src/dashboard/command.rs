//! `POST /api/v1/commands`: what people ask of the daemon through the control socket.

use serde::Deserialize;

use super::answer::Refusal;
use super::{Asked, Reply, View, passwd};
use crate::logic::build::BuildId;
use crate::logic::event::Command;
use crate::logic::names::is_first_digits;
use crate::logic::panel::LampWord;

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
enum Order {
    Rebuild { build: Option<BuildId>, repository: Option<String>, pull: Option<u64> },
    Approve { repository: String, pull: u64, sha: Option<String> },
    Cancel { build: BuildId },
    Lamp { show: LampWord },
}

/// Understands the body, or says what would fit.
pub fn read(view: &View, asked: &Asked) -> Result<Reply, Refusal> {
    let order = serde_json::from_slice(asked.body).map_err(|error| {
        Refusal::new(400, format!("That is no command: {error}. One is {{\"command\":\"cancel\",\"build\":3}}"))
    })?;
    let command = match order {
        Order::Rebuild { build: Some(id), repository: None, pull: None } => {
            let build = view.build(&id.to_string())?;
            Command::Rebuild { repository: build.repository, pull: build.pull, sha: Some(build.sha) }
        }
        Order::Rebuild { build: None, repository: Some(repository), pull: Some(pull) } => {
            Command::Rebuild { repository, pull, sha: None }
        }
        Order::Rebuild { .. } => {
            return Err(Refusal::new(400, "`rebuild` takes either `build`, or `repository` and `pull`"));
        }
        Order::Approve { sha: Some(sha), .. } if !is_first_digits(&sha) => {
            return Err(Refusal::new(400, "`sha` is at least the first 7 hex digits of the head's sha, like 1a2b3c4"));
        }
        Order::Approve { repository, pull, sha } => Command::Approve { repository, pull, sha },
        Order::Cancel { build } => {
            let by = asked.peer_uid.map_or_else(|| "someone at the box".to_owned(), passwd::name_of);
            Command::Cancel { build, by }
        }
        Order::Lamp { show } => return Ok(Reply::Lamp(show)),
    };
    Ok(Reply::Command(command))
}
