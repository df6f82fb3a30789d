//! The whole daemon, as it is shipped, against real git and a loopback stand-in for GitHub.

mod attacks;
mod builds;
mod check;
mod commands;
mod config_errors;
mod control;
mod dashboard;
mod demo;
mod examples;
mod forks;
mod gate;
mod house;
mod lights;
mod outages;
mod restarts;
mod secrets;
mod standins;
mod statuses;
mod support;
mod trees;
mod webhooks;
