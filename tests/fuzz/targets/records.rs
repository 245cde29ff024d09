//! Any bytes as what a run leaves behind: records line by line, the best evaluation, the configuration. The first byte says
//! which.
#![no_main]

use fuzz::Scratch;
use trainer::fuzzing;

fuzz::target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else { return };
    let file = ["metrics.jsonl", "times.jsonl", "steps.jsonl", "best.json", "config.json"][usize::from(choice) % 5];
    let run = Scratch::folder_with("records", file, text);
    fuzzing::read_record(&run, file);
});
