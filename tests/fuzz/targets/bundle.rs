//! Any bytes as the end of a bundle: the trailer is read or refused, and never reaches beyond the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_fuzz::bundle::{TRAILER_LENGTH, Trailer};

fuzz_target!(|input: (u64, [u8; TRAILER_LENGTH])| {
    let (length, bytes) = input;
    if let Ok(Some(trailer)) = Trailer::from_bytes(&bytes, length) {
        assert!(trailer.length <= length - TRAILER_LENGTH as u64);
        assert_eq!(trailer.to_bytes(), bytes);
    }
});
