//! What happened, and when: filled by threads that wait for it, read by whoever measures.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use crate::support::PATIENCE;

/// A list that grows, each entry with its moment.
pub struct Stamps<T>(Arc<Shared<T>>);

type Shared<T> = (Mutex<Vec<(Instant, T)>>, Condvar);

impl<T> Clone for Stamps<T> {
    fn clone(&self) -> Self {
        Stamps(self.0.clone())
    }
}

impl<T: Clone> Stamps<T> {
    pub fn new() -> Stamps<T> {
        Stamps(Arc::new((Mutex::new(Vec::new()), Condvar::new())))
    }

    /// `at` is taken by the caller, as early as it can.
    pub fn push(&self, at: Instant, entry: T) {
        self.lock().push((at, entry));
        self.0.1.notify_all();
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// The first entry at or after the index `from` that `is_it`. Panics if none comes.
    #[track_caller]
    pub fn wait(&self, from: usize, is_it: impl Fn(&T) -> bool) -> (Instant, T) {
        let found = |all: &[(Instant, T)]| all.iter().skip(from).find(|(_, entry)| is_it(entry)).cloned();
        let wait = self.0.1.wait_timeout_while(self.lock(), PATIENCE, |all| found(all).is_none());
        let (all, _) = wait.expect("no thread that stamps panics");
        found(&all).expect("what is waited for comes in time")
    }

    /// When the list became this long, now or later. Panics if it stops growing before.
    #[track_caller]
    pub fn wait_len(&self, len: usize) -> Instant {
        let mut all = self.lock();
        while all.len() < len {
            let before = all.len();
            let wait = self.0.1.wait_timeout_while(all, PATIENCE, |all| all.len() == before);
            all = wait.expect("no thread that stamps panics").0;
            assert!(all.len() > before, "only {before} of {len} came");
        }
        all[len - 1].0
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, T)>> {
        self.0.0.lock().expect("no thread that stamps panics")
    }
}

/// Stamps each line that comes out of `pipe`.
pub fn lines(pipe: impl Read + Send + 'static) -> Stamps<String> {
    let stamps = Stamps::new();
    let mine = stamps.clone();
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            mine.push(Instant::now(), String::from_utf8_lossy(&line).into_owned());
        }
    });
    stamps
}
