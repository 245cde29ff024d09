//! The threads of a session, for work that is worth them.

use crate::pool::SessionPool;

/// A session's pool, or the calling thread alone.
#[derive(Clone, Copy)]
pub(crate) struct Threads<'a>(pub(crate) Option<&'a SessionPool>);

impl Threads<'_> {
    /// Into how many parts work is cut.
    pub(super) fn count(self) -> usize {
        self.0.map_or(1, SessionPool::threads)
    }

    /// Does the job for each item and its number, all at once if there are threads; waits for all of them.
    pub(super) fn for_each<T: Send>(self, items: &mut [T], job: impl Fn((usize, &mut T)) + Sync) {
        match self.0 {
            Some(pool) if items.len() > 1 => pool.run(|| {
                let job = &job;
                rayon::scope(|scope| {
                    for item in items.iter_mut().enumerate() {
                        scope.spawn(move |_| job(item));
                    }
                });
            }),
            _ => items.iter_mut().enumerate().for_each(job),
        }
    }
}
