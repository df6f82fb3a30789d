//! What follows from what GitHub lists and shows: pull requests that no delivery told of, and words of ours that it never
//! heard.

use std::collections::BTreeSet;

use super::build::{Build, BuildState};
use super::catch_up::{FIRST_HEADS_MAX, PAGE_PULLS, statuses};
use super::event::{Now, PullPayload, Shown, StatusState};
use super::external::EXTERNAL_CONTEXTS_MAX;
use super::policy::{CheckSource, RepositoryPolicy};
use super::rows::{Pull, PullKey};
use super::state::{Row, State};

/// How often one check is told again because GitHub shows something else: two who speak in one context must not use up
/// the 1,000 statuses that GitHub takes of it.
const MENDS_MAX: u32 = 10;

impl State {
    pub(super) fn listed(&mut self, now: Now, repository: String, pulls: Vec<PullPayload>) {
        let of_repository = |p: &&Pull| p.repository.eq_ignore_ascii_case(&repository);
        // Those that deliveries told of since the start are not known from an earlier life.
        let of_old = |p: &Pull| of_repository(&p) && !self.catch_up.touched.contains_key(&p.key());
        let seen = self.catch_up.lists.contains_key(&repository);
        let first_time = !seen && !self.rows.pulls.values().any(of_old);
        let keys: BTreeSet<PullKey> = pulls.iter().map(|p| self.pull_key(&repository, p.number)).collect();
        let mut first = 0;
        for payload in &pulls {
            let key = self.pull_key(&repository, payload.number);
            match self.rows.pulls.get(&key) {
                Some(known) if self.catch_up.is_fresh(&key) && payload.updated_at <= known.updated_at => {}
                Some(_) => self.listed_pull(now, &key, payload),
                None if seen && !self.catch_up.undecided.contains_key(&key) => {
                    self.take_in(now, &key, payload.clone());
                }
                None if first_time && first == FIRST_HEADS_MAX => {
                    self.catch_up.look_by(statuses(&key, &payload.head_sha), now.mono);
                    self.keep_pull(payload.clone().into_pull(&key, None));
                }
                None => {
                    first += 1;
                    self.catch_up.look_by(statuses(&key, &payload.head_sha), now.mono);
                    self.catch_up.undecided.insert(key, payload.clone());
                }
            }
        }
        self.catch_up.undecided.retain(|key, _| keys.contains(key) || !key.0.eq_ignore_ascii_case(&repository));
        // Pages are read one after the other, and what moves between them meanwhile is on none: of several pages only
        // two lists in a row are believed.
        let one_page = pulls.len() < PAGE_PULLS;
        let before = self.catch_up.lists.get(&repository).map(Vec::as_slice);
        let missed_before = |p: &Pull| before.is_some_and(|list| list.iter().all(|known| known.number != p.number));
        let is_missing = |p: &Pull| p.open && !keys.contains(&p.key()) && (one_page || missed_before(p));
        let missing = |p: &&Pull| of_repository(p) && is_missing(p);
        let gone: Vec<_> = self.rows.pulls.values().filter(missing).cloned().collect();
        for pull in gone.into_iter().filter(|p| !self.catch_up.is_fresh(&p.key())).collect::<Vec<_>>() {
            self.close(now, pull);
        }
        self.catch_up.lists.insert(repository, pulls);
    }

    fn listed_pull(&mut self, now: Now, key: &PullKey, payload: &PullPayload) {
        let Some(known) = self.rows.pulls.get(key) else { return };
        if payload.updated_at < known.updated_at {
            return;
        }
        let last = known.last_build.and_then(|id| self.rows.builds.get(&id));
        let has_result = last.is_some_and(|b| b.sha == payload.head_sha && b.state != BuildState::Cancelled);
        let same_head = payload.head_sha == known.head_sha && (known.open || has_result);
        let same_base = payload.base_ref == known.base_ref || self.rows.unfinished(key).is_empty();
        if !same_head || !same_base {
            self.take_in(now, key, payload.clone());
            return;
        }
        let pull = payload.clone().into_pull(key, Some(known));
        if pull != *known {
            self.keep_pull(pull);
        }
    }

    /// Of the first heads, those are built for which GitHub shows no end of every check of ours.
    pub(super) fn decide_first(&mut self, now: Now, repository: &str, sha: &str, shown: &[Shown]) {
        let Some(policy) = self.policy.repository(repository) else { return };
        let ended = |context: &str| {
            shown.iter().any(|s| s.context.eq_ignore_ascii_case(context) && s.state != StatusState::Pending)
        };
        let all_ended = !policy.is_pending(shown) && policy.checks.iter().all(|c| ended(&c.context));
        let is_asked =
            |(key, p): &(&PullKey, &PullPayload)| p.head_sha == sha && key.0.eq_ignore_ascii_case(repository);
        let decided: Vec<_> = self.catch_up.undecided.iter().filter(is_asked).map(|(key, _)| key.clone()).collect();
        let decided: Vec<_> = decided.iter().filter_map(|key| self.catch_up.undecided.remove_entry(key)).collect();
        for (key, payload) in decided {
            match all_ended {
                true => self.keep_pull(payload.into_pull(&key, None)),
                false => _ = self.take_in(now, &key, payload),
            }
        }
    }

    /// A head that was never built here, and GitHub shows that we would: the memory of that is lost, and nobody else will
    /// ever end it.
    pub(super) fn take_over(&mut self, now: Now, repository: &str, sha: &str, shown: &[Shown]) {
        let is_it = |name: &str, head: &str| head == sha && name.eq_ignore_ascii_case(repository);
        let is_ours = self.policy.repository(repository).is_some_and(|policy| policy.is_pending(shown));
        if !is_ours || self.rows.builds.values().any(|b| is_it(&b.repository, &b.sha)) {
            return;
        }
        let never_built = |p: &&Pull| p.open && p.last_build.is_none() && is_it(&p.repository, &p.head_sha);
        for key in self.rows.pulls.values().filter(never_built).map(Pull::key).collect::<Vec<_>>() {
            self.build_head(now, &key, false);
        }
    }

    /// Where GitHub shows something else than it was told, it has not heard it.
    pub(super) fn mend(&mut self, repository: &str, sha: &str, shown: &[Shown]) {
        let of_head = |b: &&mut Build| b.sha == sha && b.repository.eq_ignore_ascii_case(repository);
        let mut mended = Vec::new();
        let mends = &mut self.catch_up.mends;
        mends.retain(|(build, _), _| self.rows.builds.contains_key(build));
        // Of a full page nobody knows what is on the next.
        let is_all = shown.len() < EXTERNAL_CONTEXTS_MAX;
        for build in self.rows.builds.values_mut().filter(of_head) {
            let checks = build.checks.iter_mut().enumerate();
            for (index, check) in checks.filter(|(_, c)| c.owns_status && c.is_settled()) {
                let there = shown.iter().find(|s| s.context.eq_ignore_ascii_case(&check.context));
                let told = there.map(|s| (s.state, s.description.clone()));
                let times = mends.get(&(build.id, index)).copied().unwrap_or_default();
                if told != check.told && (is_all || told.is_some()) && times < MENDS_MAX {
                    mends.insert((build.id, index), times + 1);
                    check.told = told;
                    mended.push(build.id);
                }
            }
        }
        mended.into_iter().for_each(|id| self.change(Row::Build(id)));
    }
}

impl RepositoryPolicy {
    /// Whether a check of ours is pending, as GitHub shows it. What heads name is not known: whatever is pending may be ours.
    fn is_pending(&self, shown: &[Shown]) -> bool {
        let is_ours = |s: &Shown| {
            self.check_source != CheckSource::Box
                || self.checks.iter().any(|c| c.context.eq_ignore_ascii_case(&s.context))
        };
        shown.iter().any(|s| s.state == StatusState::Pending && is_ours(s))
    }
}
