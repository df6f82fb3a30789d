//! Scenarios: one behaviour each, as a script and what came of it. Storms: thousands of random days, with the
//! invariants asserted after each step.

mod approvals;
mod cant_tell;
mod catch_up;
mod comments;
mod deliveries;
mod external;
mod fetches;
mod first_look;
mod heads;
mod identity;
mod lamp;
mod life;
mod lists;
pub mod model;
mod one_sha;
mod outages;
mod queue;
mod refusals;
mod scenario;
mod source;
mod statuses;
pub mod storm;
pub mod words;
