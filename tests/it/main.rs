//! The whole daemon, as it is shipped, against real git and a loopback stand-in for GitHub.

mod alive;
mod attacks;
mod builds;
mod check;
mod commands;
mod config_errors;
mod control;
mod damage;
mod dashboard;
mod demo;
mod disk;
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
mod torture;
mod trees;
mod webhooks;
