//! What can happen ([`Event`]) and what can be done about it ([`Decision`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::build::{Build, BuildId, CheckEnd};
use super::identity::Identity;
use super::missed::Missed;
use super::panel::Panel;
use super::policy::{CheckPolicy, Policy, RepositoryPolicy, Tested};
use super::rows::{KnownDelivery, Pull, Repository};
use super::secret::SecretFile;

/// The moment an event is handled. Deadlines are reckoned in `mono`; `wall` is only shown to people and compared over days,
/// because the clock of a box without a battery may jump by years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the process started, never going back.
    pub mono: Duration,
    /// UTC, in whole seconds since 1970.
    pub wall: i64,
}

/// Names whoever waits for an answer; the daemon keeps the other half.
pub type ReplyId = u64;

/// Everything that can happen to the daemon.
#[derive(Clone, Debug)]
pub enum Event {
    /// A verified webhook delivery, to be answered once it is saved.
    Delivery { reply: ReplyId, delivery: Delivery },
    /// A person's word over the control socket, to be answered once it is saved.
    Command { reply: ReplyId, command: Command },
    /// Word from the builder.
    Build(BuildEvent),
    /// How the call for a status went.
    Posted { post: Post, outcome: PostOutcome },
    /// What came of a question to GitHub.
    LookedUp { what: LookUp, found: Result<Found, PostOutcome> },
    /// GitHub tells when its token expires: UTC seconds since 1970.
    TokenExpires(i64),
    /// A deadline named by `State::wake_at` has passed.
    Tick,
    /// A new configuration was read and found good.
    Reload(Box<Policy>),
    /// End in order: no new build starts; `at_once` interrupts those that run.
    Stop { at_once: bool },
    /// Saving failed: this State is shown until one can be loaded again.
    NotSaved(String),
    /// The box is short of disk space (`Some(how)`), or is no longer (`None`).
    Space(Option<String>),
}

/// One webhook delivery, its signature verified and its payload understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub key: DeliveryKey,
    pub hook: Hook,
}

/// What makes a delivery the same delivery again. All hooks subscribed to one event share the GUID, so the
/// hook's id belongs to it. Ordered by GUID first: the other hooks' deliveries of one event are neighbours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryKey {
    /// `X-GitHub-Delivery`.
    pub guid: String,
    /// `X-GitHub-Hook-ID`; 0 when the header is missing.
    pub hook_id: u64,
}

/// What a delivery tells, cut down to what is decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// GitHub made or tested the hook.
    Ping,
    /// Event `pull_request`.
    Pull(Box<PullPayload>),
    /// Event `issue_comment`: a word to pilotlight, under an open pull request.
    Comment(Comment),
    /// Event `status`: somebody, perhaps we ourselves, made a commit status.
    Status(Box<StatusPayload>),
    /// Any other event: understood, and nothing to do.
    Other { event: String },
}

/// The part of a `pull_request` payload that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullPayload {
    pub action: PullAction,
    /// `repository`, or `base.repo` in a list.
    pub repository: Identity,
    pub number: u64,
    pub title: String,
    /// 40 or 64 lower-case hex digits.
    pub head_sha: String,
    pub head_ref: String,
    /// `None` when the fork was deleted.
    pub head_repository: Option<String>,
    pub base_ref: String,
    /// `pull_request.state == "open"`.
    pub open: bool,
    /// `pull_request.updated_at`, UTC seconds since 1970.
    pub updated_at: i64,
    /// The head before a push: `before` of a `synchronize`.
    pub before: Option<String>,
}

/// The part of a `status` payload that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPayload {
    pub repository: Identity,
    /// 40 or 64 lower-case hex digits.
    pub sha: String,
    pub shown: Shown,
}

/// `action` of a `pull_request` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullAction {
    Opened,
    Reopened,
    Synchronize,
    ReadyForReview,
    /// `edited`; `new_base` when `changes.base` is there.
    Edited {
        new_base: bool,
    },
    Closed,
    /// Any other; GitHub adds new ones.
    Other(String),
}

/// A word to pilotlight in a comment that was newly written under a pull request. Whoever may write comments may have
/// written it: whether it counts is GitHub's to say ([`LookUp::Permission`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub repository: Identity,
    /// The pull request's.
    pub number: u64,
    /// The login of who wrote it: letters, digits, `-` and `_`.
    pub by: String,
    pub word: Word,
}

/// What a comment asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// `/test`: build the head again.
    Test,
    /// `/approve SHA`: let the head that begins with these 7 to 64 lower-case hex digits be built. `None`: what was
    /// written there is no sha.
    Approve(Option<String>),
    /// `/cancel`: end what waits or runs.
    Cancel,
}

/// A person's word, given at the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Build this pull request's head again. With `sha`, only if that still is the head.
    Rebuild { repository: String, pull: u64, sha: Option<String> },
    /// Let the head that waits be built. With `sha`, or digits of it that name no other, only that head.
    Approve { repository: String, pull: u64, sha: Option<String> },
    /// End what waits or runs. `by` names the person, for the status.
    Cancel { build: BuildId, by: String },
}

/// Word from the builder about one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildEvent {
    pub build: BuildId,
    pub news: BuildNews,
}

/// What the builder has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildNews {
    /// The head is fetched and a worker has the job.
    Started,
    /// The head could not be fetched; the slot is free again.
    NotFetched { error: String },
    /// No worker can be reached (isolation is not set up); the slot is free again.
    NoWorker { error: String },
    /// The head asks for no build, with this marker in its message; the slot is free again.
    Skipped { marker: &'static str },
    /// The checks that the head names, if any, or what is wrong with its file; the slot is free again.
    Named { checks: Result<Vec<CheckPolicy>, String> },
    /// A check begins; its output starts at byte `log_start` of the build's log.
    CheckStarted { check: usize, log_start: u64 },
    /// A check ended, `took` after its start; its output ends before byte `log_end`.
    CheckFinished { check: usize, end: CheckEnd, took: Duration, log_end: u64 },
    /// The head can't be merged into its base; the slot is free.
    Conflict,
    /// Nothing of this build runs any more; the slot is free. `error` says why not every check ran.
    Finished { error: Option<String> },
}

/// What `State::handle` decided. `changes` are committed before `effects` are carried out; else those are dropped.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub changes: Vec<Change>,
    pub effects: Vec<Effect>,
}

/// One row to be stored, whole: storing it twice is storing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Build(Build),
    Pull(Pull),
    Repository(Repository),
    Delivery(DeliveryKey, KnownDelivery),
    ForgetDelivery(DeliveryKey),
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Answer {
        reply: ReplyId,
        answer: Answer,
    },
    StartBuild(Box<Job>),
    CancelBuild(BuildId),
    /// It has ended, once and for all: the last line of its story in the journal.
    Ended(BuildId),
    Post(Post),
    LookUp(LookUp),
    /// The lamp's truth has changed.
    Show(Panel),
    /// A line for the log: what became of a person's word.
    Log(String),
    /// All has ended in order: the process may exit.
    Exit,
}

/// The answer to a delivery or a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// What was decided, for people.
    pub result: String,
    /// The build it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub build: Option<BuildId>,
}

/// All that the builder needs to know to run one build. Nothing in it is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub build: BuildId,
    pub repository: String,
    pub clone_url: String,
    pub submodules: bool,
    pub pull: u64,
    /// The head is in another repository: it gets a unit, a tree and a cache apart from the team's.
    pub stranger: bool,
    pub sha: String,
    pub base_ref: String,
    pub head_ref: String,
    pub tested: Tested,
    /// It may say in its message that it wants no build.
    pub may_skip: bool,
    /// Its file is to be read for the checks: none is known yet, and nothing is built.
    pub reads_checks: bool,
    pub checks: Vec<JobCheck>,
    /// A check that writes nothing for this long is ended.
    pub silence: Duration,
    /// What it gets to know in its environment: nothing for a stranger.
    pub secrets: Vec<SecretFile>,
}

impl Job {
    /// All that a build is about, and nothing to run.
    pub fn without_checks(build: &Build, repository: &RepositoryPolicy, stranger: bool) -> Job {
        Job {
            build: build.id,
            repository: build.repository.clone(),
            clone_url: repository.clone_url.clone(),
            submodules: repository.submodules,
            pull: build.pull,
            stranger,
            sha: build.sha.clone(),
            base_ref: build.base_ref.clone(),
            head_ref: build.head_ref.clone(),
            tested: repository.tested,
            may_skip: false,
            reads_checks: false,
            checks: Vec::new(),
            silence: Duration::ZERO,
            secrets: if stranger { Vec::new() } else { repository.secrets.clone() },
        }
    }
}

/// One check of a [`Job`]; `index` is its place in the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCheck {
    pub index: usize,
    pub context: String,
    /// For `/bin/sh -c`, in the checkout.
    pub run: String,
    pub timeout: Duration,
}

/// `state` of a commit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    Pending,
    Success,
    Failure,
    Error,
}

/// One call of `POST /repos/{owner}/{repo}/statuses/{sha}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub build: BuildId,
    pub check: usize,
    pub repository: String,
    pub sha: String,
    pub context: String,
    pub state: StatusState,
    /// At most 140 characters.
    pub description: String,
    pub target_url: String,
}

/// How a [`Post`] went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostOutcome {
    Accepted,
    /// Nothing wrong with the post: GitHub or the way to it is. `wait` is what GitHub asked for.
    Unreachable {
        error: String,
        wait: Option<Duration>,
    },
    /// The token is refused (401), or may not do this (403, 404 on the repository): a person must act.
    TokenRefused {
        error: String,
    },
    /// GitHub will not take this very status (422).
    Refused {
        error: String,
    },
}

/// A question to GitHub, asked when catching up, or about who wrote a comment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookUp {
    /// The open pull requests of a repository.
    Pulls { repository: String },
    /// What GitHub shows for a head: whether it heard us.
    Statuses { repository: String, sha: String },
    /// The same, for what others say.
    External { repository: String, sha: String },
    /// The deliveries of our hook that failed.
    Deliveries { repository: String },
    /// What a comment said whose delivery failed.
    Word { repository: String, missed: Missed },
    /// Whether this login may write to the repository.
    Permission { repository: String, user: String },
}

/// GitHub's answer to a [`LookUp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The same pull requests as last time, of this repository.
    Same(Identity),
    /// All open pull requests, the last touched first; each `action` is `Other`. They are of the repository that has
    /// the name by which was asked, or had it.
    Pulls {
        of: Identity,
        pulls: Vec<PullPayload>,
    },
    Statuses(Vec<Shown>),
    /// Those of pull requests, and those of comments.
    Deliveries(Vec<DeliveryKey>, Vec<Missed>),
    /// `None`: it holds no word to pilotlight.
    Word(Option<Comment>),
    /// They may write, in the repository that has the name by which was asked, or had it; `None`: they may not.
    Permission(Option<Identity>),
}

/// The newest status of one context, as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub context: String,
    pub state: StatusState,
    pub description: String,
    /// When it was made, UTC seconds since 1970 by GitHub's clock.
    pub updated_at: i64,
    /// Grows with every status that is made.
    pub id: u64,
}
