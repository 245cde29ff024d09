//! SIGKILL at moments that nobody has chosen, over every command that writes.
//!
//! After each kill, what was there before is whole, and what is new is whole or absent; then the next command goes on and
//! ends with what an undisturbed one leaves, bit for bit. `SCRIMSHAW_KILLS=500` kills more often, `SCRIMSHAW_SEED=7`
//! at other moments. The last lines on stderr count what was found.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::stage::{OPERATIONS, STAGE, check_words, contents};
use end_to_end::{finish, number, random, signal};

/// What a kill met.
#[derive(Default)]
struct Tally {
    kills: usize,
    /// Nothing had changed yet.
    before: usize,
    /// Something was under way: unfinished files, or a part of the new files.
    amid: usize,
    /// Everything was done.
    after: usize,
}

#[test]
fn kills_lose_nothing() {
    let (kills, mut state) = (number("SCRIMSHAW_KILLS", 25), number("SCRIMSHAW_SEED", 1));
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let start = contents(&STAGE.folder());
    // How long each command takes on this machine, so that the kills are spread over all of it.
    let mut durations: BTreeMap<&str, Duration> = BTreeMap::new();
    for operation in OPERATIONS {
        let place = STAGE.copy();
        let began = Instant::now();
        finish(&mut STAGE.start(operation, &place.path("."))).success();
        durations.insert(operation.name, began.elapsed());
    }
    for (kill, operation) in (0..kills).zip(OPERATIONS.iter().cycle()) {
        let place = STAGE.copy();
        let folder = place.path(".");
        let moment = durations[operation.name].mul_f64((random(&mut state) % 1_100) as f64 / 1_000.0);
        let mut child = STAGE.start(operation, &folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(moment);
        let ended = child.try_wait().unwrap().is_some();
        if !ended {
            signal("KILL", child.id());
        }
        child.wait().unwrap();

        STAGE.check(operation, &folder, true);
        let tally = tallies.entry(operation.name).or_default();
        tally.kills += 1;
        if ended {
            tally.after += 1;
        } else if contents(&folder) == start {
            tally.before += 1;
        } else {
            tally.amid += 1;
        }
        let next = finish(&mut STAGE.go_on(operation, &folder));
        check_words(&next);
        // What cannot be made twice is said to be there, if the kill came after the end.
        let is_there = next.stderr.contains("exists already");
        assert!(next.code == 0 || is_there, "{} after kill {kill}: {}", operation.name, next.stderr);
        STAGE.check_done(operation, &folder);
    }
    for (name, Tally { kills, before, amid, after }) in tallies {
        eprintln!(
            "kills: {name}: {kills}, {before} before anything was written, {amid} in the middle, {after} after the end"
        );
    }
}
