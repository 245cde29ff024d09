//! Processes blocks on all cores and consumes the results in order, in constant memory.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::blocks::{Block, Blocks};
use crate::{Error, Result};

/// Whose turn it is to consume, and the failure that ended the work.
struct Turn<C> {
    next: u64,
    consume: C,
    failed: Option<Error>,
    /// Whether a worker panicked, so that the others must not wait for its turn.
    panicked: bool,
}

/// Reads blocks, processes them on `threads` threads, and consumes the results in the order of the text.
///
/// Each worker takes the next block, processes it, and waits for its turn to consume. So there are never more blocks in
/// memory than workers, and their buffers are reused. If several blocks fail, the error is that of the first in the
/// text. Returns the workers with what they gathered.
pub fn process_in_order<W: Send>(
    threads: usize,
    blocks: &mut Blocks<'_>,
    worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &Block) -> Result<()> + Sync,
    consume: impl FnMut(&mut W, &Block) -> Result<()> + Send,
) -> Result<Vec<W>> {
    let blocks = Mutex::new(blocks);
    let turn = Mutex::new(Turn { next: 0, consume, failed: None, panicked: false });
    let turned = Condvar::new();
    let run = || {
        let _wake = WakeOnPanic { turn: &turn, turned: &turned };
        let mut worker = worker();
        let mut block = Block::default();
        loop {
            let read = lock(&blocks).next(&mut block);
            if matches!(read, Ok(false)) {
                return worker;
            }
            let outcome = read.and_then(|_| work(&mut worker, &block));
            let mut turn = lock(&turn);
            while turn.next != block.sequence && turn.failed.is_none() && !turn.panicked {
                turn = turned.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            if turn.failed.is_some() || turn.panicked {
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
struct WakeOnPanic<'t, C> {
    turn: &'t Mutex<Turn<C>>,
    turned: &'t Condvar,
}

impl<C> Drop for WakeOnPanic<'_, C> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(self.turn).panicked = true;
            self.turned.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
