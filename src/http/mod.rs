//! The gate and what stands behind it.
//!
//! [`gate`] faces the outside: bounded, timed and strict. Its thread stands in `porter`, each connection
//! lives in `connection`; what a head may look like and what a door lets in is decided by [`head`]. Only
//! whole requests reach [`front`], where one tiny_http on a private socket serves all doors.

mod connection;
pub mod front;
pub mod gate;
pub mod head;
pub mod message;
mod porter;
mod probe;
mod refusal;
#[cfg(test)]
mod tests;
mod wire;

pub use probe::probe;
