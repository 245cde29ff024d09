//! Any bytes as a program with a model appended: the model is read or the file is refused, and a trailer never reaches
//! beyond the file. One input in 16 is read as a whole file.
#![no_main]

use fuzz::Scratch;
use sampler::bundle::{TRAILER_LENGTH, Trailer, read};

fuzz::target!(|bytes: &[u8]| {
    let Some(trailer) = bytes.last_chunk::<TRAILER_LENGTH>() else { return };
    let length = u64::from(bytes[0]) + TRAILER_LENGTH as u64;
    if let Ok(Some(read)) = Trailer::from_bytes(trailer, length) {
        assert!(read.length <= length - TRAILER_LENGTH as u64);
        assert_eq!(read.to_bytes(), *trailer);
    }
    if !bytes[0].is_multiple_of(16) {
        return;
    }
    let file = Scratch::file("bundle", bytes);
    let _ = read(&file);
    // The same with a checksum that is right.
    let (model, _) = bytes.split_at(bytes.len() - TRAILER_LENGTH);
    let trailer = Trailer::of(model).to_bytes();
    let file = Scratch::file("bundle", &[model, &trailer].concat());
    assert_eq!(read(&file).expect("a bundle that was just made").as_deref(), Some(model));
});
