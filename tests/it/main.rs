//! The whole daemon, as it is shipped, against real git and a loopback stand-in for GitHub.

mod standins;
mod support;
