//! Which threads a model runs on.
//!
//! rten runs a model on the threads of a pool and hands every run over to one of them, even where the pool has but one:
//! the caller sleeps meanwhile. Waking two threads takes longer than one step of a small recurrent model, unless the
//! caller is a thread of that pool itself. [`within_pool`] makes it one.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use rten::ThreadPool;

thread_local! {
    /// The pool that [`within_pool`] runs this thread in, and how many threads it has.
    static CURRENT: RefCell<Option<(usize, Arc<ThreadPool>)>> = const { RefCell::new(None) };
}

/// Runs `work` on a thread of a new pool of `threads` threads, and waits for it.
///
/// Sessions with as many intra-op threads that run within `work` run on that thread too, without the hand-over between
/// threads that each run costs otherwise: some 20 µs, which matters where a run takes 10. A program that runs one small
/// model step by step wraps its whole loop, or all of its `main`:
///
/// ```
/// let sum = ort_rten::within_pool(1, || 1 + 1); // here would stand `Session::run`, many times over
/// assert_eq!(sum, 2);
/// ```
///
/// Threads that `work` itself starts are outside the pool; each may call `within_pool` for itself. A panic of `work`
/// comes out of this function. With 0 threads there is nothing to do, and `work` runs where it is.
pub fn within_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    if threads == 0 {
        return work();
    }
    let pool = Arc::new(ThreadPool::with_num_threads(threads));
    let current = Arc::clone(&pool);
    pool.run(move || {
        let _restored = Restore(CURRENT.replace(Some((threads, current))));
        work()
    })
}

/// Puts back, on the way out and also when unwinding, what was current before.
struct Restore(Option<(usize, Arc<ThreadPool>)>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.replace(self.0.take());
    }
}

/// The threads of one session.
pub(crate) struct SessionPool {
    threads: usize,
    own: OnceLock<Arc<ThreadPool>>,
}

impl SessionPool {
    pub(crate) const fn new(threads: usize) -> Self {
        Self { threads, own: OnceLock::new() }
    }

    /// The pool to run on: the caller's, if it has the right size, or the session's own, made at the first run that needs
    /// it. None stands for rten's own, which all sessions without a number of threads share.
    pub(crate) fn get(&self) -> Option<Arc<ThreadPool>> {
        if self.threads == 0 {
            return None;
        }
        let current = CURRENT.with_borrow(|current| match current {
            Some((threads, pool)) if *threads == self.threads => Some(Arc::clone(pool)),
            _ => None,
        });
        current.or_else(|| {
            let own = self.own.get_or_init(|| Arc::new(ThreadPool::with_num_threads(self.threads)));
            Some(Arc::clone(own))
        })
    }
}
