//! The exit codes of Scrimshaw's programs. A code means the same in all of them.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | done, or nothing to do |
//! | 1 | any other failure |
//! | 2 | wrong usage: an unknown option, a value out of range, options that contradict each other |
//! | 3 | bad input: missing, empty, too short, not UTF-8, not decompressible, or not prepared yet |
//! | 4 | damaged data: a shard or an index that was truncated, altered, mixed up or deleted |
//! | 5 | cannot write: read-only folder, full disk |
//! | 6 | busy: another process is using the same folder |
//! | 7 | not finished: a part of a text is counted, and waits for the other parts; run it again |
//! | 130 | interrupted by Ctrl-C |

/// Wrong usage; the code that clap uses too.
pub const USAGE: u8 = 2;
/// Bad input.
pub const BAD_INPUT: u8 = 3;
/// Damaged data.
pub const DAMAGED: u8 = 4;
/// A file or folder cannot be written.
pub const CANNOT_WRITE: u8 = 5;
/// Another process is using the same folder.
pub const BUSY: u8 = 6;
/// Something has been done, and the rest has to wait for others: run it again.
pub const UNFINISHED: u8 = 7;
/// Interrupted by Ctrl-C: 128 + SIGINT, as a shell reports it.
pub const INTERRUPTED: u8 = 130;
