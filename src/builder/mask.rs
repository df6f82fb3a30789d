//! Strikes secrets out of what a build says, in the forms they commonly take, before anybody can read it.
//!
//! Against accidents: an `env`, a verbose client, an error that quotes its URL. A build that wants to tell a secret
//! can always find another form for it; that is why strangers get none.
//!
//! The search is that of Wu and Manber (1994): the last two bytes of a window as long as the shortest form say how far
//! it may move on, so that most of the output is never looked at.

mod forms;
#[cfg(test)]
mod tests;
mod wrapped;

use std::collections::HashMap;

use crate::logic::secret::Secret;
pub use forms::SECRET_BYTES_MIN;
use wrapped::{Joined, joined, run_before};

/// What stands in a secret's place.
const STARS: &[u8] = b"***";

/// Two bytes, the unit that the search looks at.
const PAIRS: usize = 1 << 16;

/// Masks one stream of bytes.
#[derive(Default)]
pub struct Mask {
    /// Sorted, so that "does any begin with this" is one look.
    forms: Vec<Vec<u8>>,
    /// The length of the shortest form and of the longest, in bytes.
    window: usize,
    longest: usize,
    /// Whether any form begins with this byte.
    begins: Vec<bool>,
    /// How far the window may move when it ends in this pair. Empty without forms.
    shift: Vec<u8>,
    /// The forms whose first `window` bytes end in this pair: those of shift 0.
    ends: HashMap<usize, Vec<usize>>,
    /// What may be the beginning of a form and waits for its rest.
    held: Vec<u8>,
    /// How many characters of base64 stood in front of it, on the same line.
    run: usize,
    /// How much of `held` belongs to a secret whose stars stand already.
    starred: usize,
}

impl Mask {
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Mask {
        let forms = forms::of(secrets);
        let Some(window) = forms.iter().map(Vec::len).min() else { return Mask::default() };
        let (shift, begins) = (vec![(window - 1).min(255) as u8; PAIRS], vec![false; 256]);
        let mut mask = Mask { window, shift, begins, ..Mask::default() };
        for (index, form) in forms.iter().enumerate() {
            mask.longest = mask.longest.max(form.len());
            mask.begins[usize::from(form[0])] = true;
            for end in 2..=window {
                let pair = pair(form, end);
                mask.shift[pair] = mask.shift[pair].min((window - end).min(255) as u8);
                if end == window {
                    mask.ends.entry(pair).or_default().push(index);
                }
            }
        }
        mask.forms = forms;
        mask
    }

    /// Adds `bytes` to the stream and hands on what is certain by now. At most the longest form less one byte is held
    /// back, with the breaks where it is wrapped, and only what looks like the beginning of one.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        if self.forms.is_empty() {
            return out(bytes);
        }
        self.held.extend_from_slice(bytes);
        let joined = joined(&self.held, self.run, self.longest);
        self.pass_on(self.doubtful_from(&joined), &joined, out);
    }

    /// Hands on what was held back: the stream ends here, and another one begins.
    pub fn flush(&mut self, out: &mut dyn FnMut(&[u8])) {
        self.pass_on(self.held.len(), &joined(&self.held, self.run, self.longest), out);
        self.forget();
    }

    /// Drops what was held back: its rest never comes, and half a secret may be told. Returns how many bytes.
    pub fn forget(&mut self) -> usize {
        (self.starred, self.run) = (0, 0);
        std::mem::take(&mut self.held).len()
    }

    /// A text of its own, masked.
    pub fn words(&self, text: &str) -> String {
        let (mut masked, text) = (Vec::new(), text.as_bytes());
        let joined = joined(text, 0, self.longest);
        self.strike(text, &joined, text.len(), 0, &mut |bytes| masked.extend_from_slice(bytes));
        String::from_utf8_lossy(&masked).into_owned()
    }

    fn pass_on(&mut self, until: usize, joined: &[Joined], out: &mut dyn FnMut(&[u8])) {
        let mut held = std::mem::take(&mut self.held);
        self.starred = self.strike(&held, joined, until, self.starred, out) - until;
        self.run = run_before(&held[..until], self.run);
        held.drain(..until);
        self.held = held;
    }

    /// Hands on the bytes before `until`, with stars for each run of secrets that begins there. For the first
    /// `starred` of them stars stand already. Returns where the last run ends, or `until`.
    fn strike(
        &self,
        bytes: &[u8],
        joined: &[Joined],
        until: usize,
        starred: usize,
        out: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let mut found: Vec<_> = self.all(bytes).collect();
        for joined in joined {
            found.extend(self.all(&joined.text).map(|(start, end)| (joined.place(start), joined.place(end - 1) + 1)));
        }
        found.sort_unstable();
        let mut done = starred;
        for (start, end) in found.into_iter().filter(|(start, _)| *start < until) {
            if start >= done {
                out(&bytes[done..start]);
                out(STARS);
            }
            // Secrets may overlap: none of them may be left in half.
            done = done.max(end);
        }
        if done < until {
            out(&bytes[done..until]);
        }
        done.max(until)
    }

    /// Every form in `bytes`, of those that begin at one place the longest.
    fn all(&self, bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.find(bytes, from)?;
            from = found.0 + 1;
            Some(found)
        })
    }

    /// The first form at or after `from`, the longest of those that begin there.
    fn find(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)> {
        let mut end = from + self.window;
        while !self.forms.is_empty() && end <= bytes.len() {
            let pair = pair(bytes, end);
            let shift = usize::from(self.shift[pair]);
            if shift == 0 {
                let start = end - self.window;
                let forms = self.ends.get(&pair).into_iter().flatten().map(|index| &self.forms[*index]);
                if let Some(longest) = forms.filter(|form| bytes[start..].starts_with(form)).map(Vec::len).max() {
                    return Some((start, start + longest));
                }
            }
            end += shift.max(1);
        }
        None
    }

    /// Where in `held` something begins that may become a form.
    fn doubtful_from(&self, joined: &[Joined]) -> usize {
        let may_begin = |rest: &[u8]| {
            let next = || self.forms.get(self.forms.partition_point(|form| form[..] < *rest));
            self.begins[usize::from(rest[0])] && next().is_some_and(|form| form.starts_with(rest))
        };
        let doubtful = |text: &[u8]| {
            let from = (text.len() + 1).saturating_sub(self.longest);
            (from..text.len()).find(|at| may_begin(&text[*at..]))
        };
        let plain = doubtful(&self.held).unwrap_or(self.held.len());
        let open = joined.last().filter(|joined| joined.is_open);
        open.and_then(|open| doubtful(&open.text).map(|at| open.place(at))).map_or(plain, |at| at.min(plain))
    }
}

/// The two bytes before `end`, as a number.
fn pair(bytes: &[u8], end: usize) -> usize {
    usize::from(bytes[end - 2]) << 8 | usize::from(bytes[end - 1])
}
