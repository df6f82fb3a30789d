//! What pilotlight decides. Pure: no I/O, no clock, no threads, no locks.
//!
//! Read in this order: [`event`] (what can happen, what can be done), [`build`] (one run of one head),
//! [`state`] (`State::handle`, where every event meets its decision), then the helpers it leans on.

pub mod build;
pub mod catch_up;
pub mod command;
pub mod comments;
pub mod delivery;
pub mod event;
pub mod external;
mod fit;
pub mod heads;
pub mod identity;
mod lists;
pub mod missed;
pub mod names;
pub mod outbox;
pub mod panel;
pub mod policy;
pub mod progress;
pub mod queue;
pub mod rows;
pub mod secret;
pub mod space;
pub mod state;
pub mod text;
pub mod time;
pub mod trust;
pub mod wording;

#[cfg(test)]
pub mod tests;
