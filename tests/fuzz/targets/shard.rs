//! Any bytes are refused, or are a shard that can be read from end to end.
#![no_main]

use std::path::Path;

use corpus::shard::format::Shard;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz");
    if let Ok(shard) = Shard::parse(bytes, path) {
        shard.read(0, &mut vec![0; shard.header().count as usize]);
        let _ = shard.verify(256, path);
    }
});
