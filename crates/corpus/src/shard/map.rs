//! Maps a file into memory: the only `unsafe` of this crate, and all that this module does.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a whole file, read-only.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes of a map are ordinary memory as long as nobody changes the file. Nobody in this project does: a
    // shard is written under another name, renamed once whole, and replaced by renaming, never in place, which leaves
    // maps of the old file alone. Another program may still write to it or cut it. The worst case is then that ids
    // change under the reader, which reads them as plain numbers and bounds every use (no reference to them outlives a
    // read), or, when the file is cut, that the system ends the process with SIGBUS.
    #[expect(unsafe_code, reason = "the one place that maps files")]
    unsafe {
        Mmap::map(file)
    }
}
