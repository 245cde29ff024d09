//! The exit codes of Scrimshaw's programs; the same number means the same in each of them.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | done, or nothing to do |
//! | 1 | a failure that no other code names |
//! | 2 | wrong usage: an unknown flag, a value out of range, flags that contradict each other |
//! | 3 | bad input: missing, empty, too short, not UTF-8, not decompressible, or nothing prepared yet |
//! | 4 | damaged data: a shard or an index that was cut, altered, mixed up or deleted |
//! | 5 | cannot write: read-only folder, full disk |
//! | 6 | busy: another process holds the same folder |
//! | 130 | interrupted by Ctrl-C |

/// Wrong usage (clap's own code too).
pub const USAGE: u8 = 2;
/// Bad input.
pub const BAD_INPUT: u8 = 3;
/// Damaged data.
pub const DAMAGED: u8 = 4;
/// A file or folder cannot be written.
pub const CANNOT_WRITE: u8 = 5;
/// Another process holds the same folder.
pub const BUSY: u8 = 6;
/// Interrupted by Ctrl-C: 128 + SIGINT, as a shell reports it.
pub const INTERRUPTED: u8 = 130;
