//! Blocks in order through all cores, in constant memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::blocks::{Block, Blocks};
use crate::{Error, Result};

/// Whose turn it is to hand over results, and how it ended.
struct Turn<C> {
    next: u64,
    consume: C,
    failed: Option<Error>,
    /// A worker panicked: the others must not wait for it.
    abandoned: bool,
}

/// Reads blocks, works on them on `threads` cores, and consumes the results in the order of the text.
///
/// Every worker takes the next block, works on it and waits for its turn to consume, so there are never more blocks in
/// memory than workers, and their buffers are used again. The first failure in the order of the text is the one that is
/// returned. The workers come back with whatever they gathered.
pub fn in_order<W: Send>(
    threads: usize,
    blocks: &mut Blocks<'_>,
    cancelled: &AtomicBool,
    worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &Block) -> Result<()> + Sync,
    consume: impl FnMut(&mut W, &Block) -> Result<()> + Send,
) -> Result<Vec<W>> {
    let blocks = Mutex::new(blocks);
    let turn = Mutex::new(Turn { next: 0, consume, failed: None, abandoned: false });
    let turned = Condvar::new();
    let run = || {
        let _alarm = Alarm { turn: &turn, turned: &turned };
        let mut worker = worker();
        let mut block = Block::default();
        loop {
            let read = lock(&blocks).next(&mut block);
            if matches!(read, Ok(false)) {
                return worker;
            }
            let cancel = || if cancelled.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) };
            let outcome = read.and_then(|_| cancel()).and_then(|()| work(&mut worker, &block));
            let mut turn = lock(&turn);
            while turn.next != block.sequence && turn.failed.is_none() && !turn.abandoned {
                turn = turned.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            if turn.failed.is_some() || turn.abandoned {
                return worker;
            }
            turn.failed = outcome.and_then(|()| (turn.consume)(&mut worker, &block)).err();
            turn.next += 1;
            turned.notify_all();
        }
    };
    let workers = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(run)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    match turn.into_inner().unwrap_or_else(PoisonError::into_inner).failed {
        Some(error) => Err(error),
        None => Ok(workers),
    }
}

/// Wakes the other workers when one panics.
struct Alarm<'t, C> {
    turn: &'t Mutex<Turn<C>>,
    turned: &'t Condvar,
}

impl<C> Drop for Alarm<'_, C> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(self.turn).abandoned = true;
            self.turned.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
