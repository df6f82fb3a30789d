//! Strangers at both doors of the whole daemon: every trap of tiny_http, and what else is thrown at web servers.
//!
//! While an attack's connections are open, a good request at the other door is answered, and one at the same door
//! too, or told with 503 and Retry-After to come again. Memory, threads and descriptors stay bounded. When it is
//! over, the front is there again by itself, and a signed delivery still ends in a status.

mod oversize;
mod shortage;
mod siege;
mod slow;
mod smuggling;
mod wave;
