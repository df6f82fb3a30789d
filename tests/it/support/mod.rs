//! What the tests of the whole daemon stand on.

// Each helper waits for the first test that needs it.
#![allow(dead_code)]

pub mod config;
pub mod daemon;
pub mod github;
pub mod http;
pub mod payload;
pub mod process;
pub mod relay;
pub mod repo;
pub mod scene;

use std::time::Duration;

/// How long anything is waited for. Far more than a busy machine needs; only a failing test uses it up.
pub const PATIENCE: Duration = Duration::from_secs(30);
