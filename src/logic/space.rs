//! How much of a disk builds must leave free.

/// Bytes for the database, logs and pilotlight's own needs for days.
const FLOOR_BYTES: u64 = 200 * 1024 * 1024;

/// The share of a small file system that is enough for the same.
const FLOOR_SHARE: u64 = 20;

/// Bytes of a file system of `size` bytes that must be free: below it no build starts, and none goes on.
pub fn floor(size: u64) -> u64 {
    FLOOR_BYTES.min(size / FLOOR_SHARE)
}
