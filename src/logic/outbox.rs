//! Which status is posted next, and when. What GitHub should show is derived from the builds; here is only
//! the memory of how the calls went, and none of it survives a restart.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::build::{Build, BuildId, Check, CheckState};
use super::event::{Post, PostOutcome, StatusState};
use super::policy::Policy;
use super::rows::Rows;
use super::wording;

/// Between tries while GitHub can't be reached, if it names no time itself: doubled each time from the
/// first to the last, so that a blip heals at once and an outage costs little.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);

/// The longest wait that is taken from GitHub: its rate limits reset each hour.
pub const WAIT_MAX: Duration = Duration::from_secs(3900);

/// Between tries with a token that is refused: a person must act, and may do so any minute.
const TOKEN_RETRY: Duration = Duration::from_secs(60);

/// Between tries of one status that GitHub refuses: doubled each time from the first to the last, so that a hundred of
/// them stay below the 500 writes that GitHub allows in an hour.
const REFUSED_RETRY_FIRST: Duration = Duration::from_secs(30);
const REFUSED_RETRY_LAST: Duration = Duration::from_secs(15 * 60);

/// The tries of an end before it is given up, when nobody looks at its head any more.
const REFUSED_TRIES_MAX: u32 = 5;

/// GitHub allows 80 content writes a minute; after this many in a minute they go one a second.
const POSTS_A_MINUTE_FAST: usize = 60;
const POST_SPACING: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// While more waits than may go at once they go this far apart, and all but ends wait until nothing has ended for so
/// long: a build that ends meanwhile needs one word, not two. But a hundred heads are to be told of within a minute, less
/// the time it takes to notice that GitHub is back, and that the calls take which are a long way under way.
const CROWD_SPACING: Duration = Duration::from_millis(200);
const CROWD_LULL: Duration = POST_SPACING;
const CROWD_MAX: Duration = Duration::from_secs(50);

/// Unreachable for longer than this, pilotlight says that it can't tell. A blip is no news.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub struct Outbox {
    in_flight: Option<(BuildId, usize)>,
    /// GitHub can't be reached: since when, how often in a row, the last words, and when to try again.
    outage: Option<Outage>,
    /// GitHub wants a pause.
    paused_until: Option<Duration>,
    /// Repositories where the token is refused.
    token: BTreeMap<String, (Duration, String)>,
    /// Statuses that GitHub will not take.
    refused: BTreeMap<(BuildId, usize, StatusState), Refusal>,
    /// When the last posts went, oldest first.
    sent: VecDeque<Duration>,
    /// More waits than may go at once.
    crowd: Option<Crowd>,
}

#[derive(Clone, Debug)]
struct Crowd {
    since: Duration,
    last_end: Duration,
    /// What it takes to tell all of it.
    needed: Duration,
}

#[derive(Clone, Debug)]
struct Refusal {
    tries: u32,
    retry_at: Duration,
    error: String,
}

#[derive(Clone, Debug)]
struct Outage {
    since: Duration,
    tries: u32,
    /// How often GitHub said for how long.
    limits: u32,
    retry_at: Duration,
    error: String,
}

impl Outbox {
    /// The next post, if one may go now. At most one is under way: so an older word never overtakes a newer. `coming`:
    /// heads that are about to be built.
    pub fn next(&mut self, rows: &Rows, coming: usize, dashboard_url: &str, now: Duration) -> Option<Post> {
        if self.in_flight.is_some() || self.closed_until(now).is_some_and(|t| t > now) {
            return None;
        }
        self.count_crowd(unsettled(rows).count() + coming, now);
        let lull = self.lull_until();
        let due = |&(b, check): &(&Build, usize)| self.held_until(b, check, lull).is_none_or(|t| t <= now);
        let (build, check) =
            unsettled(rows).filter(due).min_by_key(|(build, check)| urgency(build, &build.checks[*check]))?;
        let truth = &build.checks[check];
        let (state, description) = truth.outward();
        if let Some(crowd) = self.crowd.as_mut().filter(|_| is_urgent(build, truth)) {
            crowd.last_end = now;
        }
        self.in_flight = Some((build.id, check));
        self.sent.push_back(now);
        while self.sent.len() > POSTS_A_MINUTE_FAST {
            self.sent.pop_front();
        }
        Some(Post {
            build: build.id,
            check,
            repository: build.repository.clone(),
            sha: build.sha.clone(),
            context: truth.context.clone(),
            state,
            description: description.to_owned(),
            target_url: format!("{dashboard_url}/builds/{}", build.id),
        })
    }

    /// Takes in how a post went. True when this end is given up: GitHub will not take it, and nobody looks for it.
    pub fn posted(&mut self, rows: &Rows, post: &Post, outcome: &PostOutcome, now: Duration) -> bool {
        self.in_flight = None;
        let key = (post.build, post.check, post.state);
        if let PostOutcome::Unreachable { error, wait } = outcome {
            self.unreachable(error, *wait, now);
            return false;
        }
        self.outage = None;
        match outcome {
            PostOutcome::TokenRefused { error } => {
                self.token.insert(post.repository.clone(), (now + TOKEN_RETRY, error.clone()));
            }
            PostOutcome::Refused { error } => {
                self.token.remove(&post.repository);
                self.refused.retain(|(build, ..), _| rows.builds.contains_key(build));
                let tries = self.refused.remove(&key).map_or(0, |refusal| refusal.tries);
                let is_end = post.state != StatusState::Pending;
                if tries + 1 >= REFUSED_TRIES_MAX && is_end && !rows.is_any_head(&post.repository, &post.sha) {
                    return true;
                }
                let retry_at = now + doubled(REFUSED_RETRY_FIRST, tries).min(REFUSED_RETRY_LAST);
                self.refused.insert(key, Refusal { tries: tries + 1, retry_at, error: error.clone() });
            }
            PostOutcome::Accepted | PostOutcome::Unreachable { .. } => {
                self.token.remove(&post.repository);
                self.refused.retain(|(build, check, _), _| (*build, *check) != (post.build, post.check));
            }
        }
        false
    }

    /// GitHub wants a pause.
    pub fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// GitHub answers, as another call shows: no need to wait for it longer than it asks.
    pub fn reached(&mut self, now: Duration) {
        if let Some(outage) = &mut self.outage {
            outage.retry_at = outage.retry_at.min(now);
        }
    }

    /// When [`next`](Self::next) may have something that it has not now.
    pub fn wake_at(&self, rows: &Rows, now: Duration) -> Option<Duration> {
        if self.in_flight.is_some() {
            return self.silence_ends(now);
        }
        [self.next_at(rows, now), self.silence_ends(now)].into_iter().flatten().min()
    }

    /// Whether a question to GitHub now would make a crowd wait: one call is made at a time.
    pub fn is_hurried(&self, rows: &Rows, now: Duration) -> bool {
        let is_soon = || self.next_at(rows, now).is_some_and(|at| at <= now + CROWD_SPACING);
        self.crowd.is_some() && (self.in_flight.is_some() || is_soon())
    }

    /// Whether GitHub has heard all there is to say, or can't hear it now.
    pub fn is_quiet(&self, rows: &Rows) -> bool {
        self.outage.is_some() || (self.in_flight.is_none() && unsettled(rows).next().is_none())
    }

    /// Whether the last call found nobody.
    pub fn is_silent(&self) -> bool {
        self.outage.is_some()
    }

    /// Why the statuses may not be what they should be, in words; `None` when all is well.
    pub fn trouble(&self, rows: &Rows, policy: &Policy, now: Duration) -> Option<String> {
        if let Some((repository, (_, error))) = self.token.iter().find(|(repository, _)| policy.on_lamp(repository)) {
            return Some(format!("GitHub refuses the token for {repository}: {error}"));
        }
        if let Some(words) = self.refused.iter().find_map(|(key, refusal)| not_taken(rows, policy, key, refusal)) {
            return Some(words);
        }
        let outage = self.outage.as_ref().filter(|o| now >= o.since + SILENCE_MAX)?;
        Some(format!("GitHub can't be reached: {}", outage.error))
    }

    /// A new token or address may have come: try at once.
    pub fn forget_troubles(&mut self) {
        *self = Outbox { in_flight: self.in_flight, sent: std::mem::take(&mut self.sent), ..Outbox::default() };
    }

    fn unreachable(&mut self, error: &str, wait: Option<Duration>, now: Duration) {
        let known = self.outage.take();
        let (since, tries, limits) = known.map_or((now, 0, 0), |o| (o.since, o.tries, o.limits));
        let backoff = doubled(RETRY_FIRST, tries).min(RETRY_LAST);
        // A limit that still holds after the time that was named: GitHub wants growing waits then.
        let growing = if limits > 0 { doubled(RETRY_LAST, limits) } else { RETRY_FIRST };
        let retry_at = now + wait.map_or(backoff, |asked| asked.max(growing).min(WAIT_MAX));
        if wait.is_some() {
            self.pause(retry_at);
        }
        self.crowd = None;
        let limits = limits + u32::from(wait.is_some());
        self.outage = Some(Outage { since, tries: tries + 1, limits, retry_at, error: error.to_owned() });
    }

    /// When the next post may go, once none is under way.
    fn next_at(&self, rows: &Rows, now: Duration) -> Option<Duration> {
        let (closed, lull) = (self.closed_until(now).filter(|t| *t > now), self.lull_until());
        unsettled(rows).map(|(b, check)| self.held_until(b, check, lull).max(closed).unwrap_or(now)).min()
    }

    /// Until when one status is held back, for reasons of its own or in a crowd.
    fn held_until(&self, build: &Build, check: usize, lull: Option<Duration>) -> Option<Duration> {
        let token = self.token.get(&build.repository).map(|(until, _)| *until);
        let (state, _) = build.checks[check].outward();
        let refused = self.refused.get(&(build.id, check, state)).map(|refusal| refusal.retry_at);
        token.max(refused).max(lull.filter(|_| !is_urgent(build, &build.checks[check])))
    }

    /// Until when nothing may be posted at all.
    fn closed_until(&self, now: Duration) -> Option<Duration> {
        let outage = self.outage.as_ref().map(|o| o.retry_at);
        outage.max(self.paced_until(now)).max(self.paused_until)
    }

    /// Until when GitHub should not be asked to write again.
    fn paced_until(&self, now: Duration) -> Option<Duration> {
        let last = *self.sent.back()?;
        let spacing = if self.lately(now) < POSTS_A_MINUTE_FAST { CROWD_SPACING } else { POST_SPACING };
        let is_paced = self.crowd.is_some() || spacing == POST_SPACING;
        is_paced.then_some(last + spacing).filter(|t| *t > now)
    }

    /// Takes in how many statuses wait or will soon.
    fn count_crowd(&mut self, wanted: usize, now: Duration) {
        let at_once = POSTS_A_MINUTE_FAST - self.lately(now);
        let times = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let needed = |surplus| CROWD_SPACING * times(at_once) + POST_SPACING * times(surplus);
        let (since, last_end) = self.crowd.as_ref().map_or((now, now), |crowd| (crowd.since, crowd.last_end));
        let surplus = wanted.checked_sub(at_once).filter(|surplus| *surplus > 0);
        self.crowd = surplus.map(|surplus| Crowd { since, last_end, needed: needed(surplus) });
    }

    /// Until when a crowd waits for builds to end.
    fn lull_until(&self) -> Option<Duration> {
        let latest = |crowd: &Crowd| (crowd.since + CROWD_MAX).saturating_sub(crowd.needed);
        self.crowd.as_ref().map(|crowd| latest(crowd).min(crowd.last_end + CROWD_LULL))
    }

    /// The posts of the last minute.
    fn lately(&self, now: Duration) -> usize {
        self.sent.iter().filter(|at| now - **at < MINUTE).count()
    }

    fn silence_ends(&self, now: Duration) -> Option<Duration> {
        self.outage.as_ref().map(|o| o.since + SILENCE_MAX).filter(|t| *t > now)
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16))
}

/// That GitHub does not show what it should of a head that people look at, in words.
fn not_taken(
    rows: &Rows,
    policy: &Policy,
    (build, check, _): &(BuildId, usize, StatusState),
    refusal: &Refusal,
) -> Option<String> {
    let build = rows.builds.get(build).filter(|b| policy.on_lamp(&b.repository))?;
    let check = build.checks.get(*check).filter(|c| !c.is_settled())?;
    let is_head = rows.is_any_head(&build.repository, &build.sha);
    is_head.then(|| wording::not_taken(&build.repository, build.pull, &check.context, &refusal.error))
}

/// The statuses that GitHub should hear of, but not for another repository that has the name now.
fn unsettled(rows: &Rows) -> impl Iterator<Item = (&Build, usize)> {
    let ours = rows.builds.values().filter(|b| !rows.is_replaced(&b.repository));
    let all = ours.flat_map(|b| (0..b.checks.len()).map(move |check| (b, check)));
    all.filter(|(b, check)| !b.checks[*check].is_settled())
}

/// People wait for an end.
fn is_urgent(build: &Build, check: &Check) -> bool {
    urgency(build, check).0 == 0
}

/// What goes first, by the smallest. Ends, since people wait for them, the oldest first. Then the first words about a head,
/// and first about those that are built last: the others may end before it is their turn. Then what is nobody's loss.
fn urgency(build: &Build, check: &Check) -> (u8, BuildId) {
    match (check.state, &check.told) {
        (CheckState::Cancelled, _) => (2, build.id),
        _ if check.is_end() => (0, build.id),
        (_, None) => (1, -build.id),
        (_, Some(_)) => (2, build.id),
    }
}
