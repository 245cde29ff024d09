//! Any bytes are refused, or are a shard that can be read from end to end. Half of the inputs get a header of the right
//! length and checksum in front, so that the fuzzer need not find one.
#![no_main]

use std::path::Path;

use corpus::shard::format::{Header, Shard, Width};
use xxhash_rust::xxh3::xxh3_64;

fuzz::target!(|bytes: &[u8]| {
    check(bytes);
    let Some((&choice, ids)) = bytes.split_first() else { return };
    let width = [Width::One, Width::Two, Width::Four][usize::from(choice) % 3];
    let ids = &ids[..ids.len() / width.bytes() * width.bytes()];
    let count = (ids.len() / width.bytes()) as u64;
    let header = Header { width, count, offset: u64::from(choice), vocabulary: 8, run: 9, checksum: xxh3_64(ids) };
    let shard = [&header.to_bytes()[..], ids].concat();
    assert!(check(&shard), "a shard that was just made");
});

fn check(bytes: &[u8]) -> bool {
    let path = Path::new("fuzz");
    let Ok(shard) = Shard::parse(bytes, path) else { return false };
    let mut ids = vec![0; shard.header().count as usize];
    shard.read(0, &mut ids);
    let largest = ids.iter().copied().max().unwrap_or(0) as usize;
    if shard.verify(usize::MAX, path).is_ok() {
        assert!(shard.verify(largest, path).is_err() || ids.is_empty());
    }
    true
}
