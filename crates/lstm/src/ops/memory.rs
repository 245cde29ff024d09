//! Memory that the ops keep from one training step to the next, and share beside candle's graph.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernels::{Buffer, training::Workspace};

/// Memory of one layer's op for one sequence, beside [`Steps`].
#[derive(Debug, Default)]
pub struct LayerMemory {
    /// Token ids, (T, N).
    pub ids: Vec<u32>,
    /// The kernels' own.
    pub workspace: Workspace,
}

/// What a layer passes to the one above it, and what comes back.
#[derive(Debug, Default)]
pub struct Steps {
    /// Hidden states, (T, N, H).
    pub hidden: Buffer,
    /// Their gradient, (T, N, H), once `returned`.
    pub gradient: Buffer,
    /// Whether the layer above has written the gradient.
    pub returned: bool,
    /// What the next layer reads in place of the hidden states, (T, N, H), with dropout.
    pub dropped: Option<Buffer>,
}

impl Steps {
    /// What the next layer reads, (T, N, H).
    pub fn output(&self) -> &[f32] {
        self.dropped.as_ref().unwrap_or(&self.hidden).floats()
    }
}

/// Memory that is waiting for the next step.
#[derive(Debug, Default)]
pub struct Pool<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Default> Pool<T> {
    /// One piece of memory, reused if there is one.
    pub fn take(&self) -> Lease<T> {
        let memory = lock(&self.0).pop().unwrap_or_default();
        Lease { memory, pool: self.clone() }
    }
}

/// Memory that returns to its pool when it is dropped.
#[derive(Debug)]
pub struct Lease<T: Default> {
    /// The memory.
    pub memory: T,
    pool: Pool<T>,
}

impl<T: Default> Drop for Lease<T> {
    fn drop(&mut self) {
        lock(&self.pool.0).push(std::mem::take(&mut self.memory));
    }
}

/// Steps that two ops of one graph share: the op that writes them and the op that reads them.
pub type Link = Arc<Mutex<Lease<Steps>>>;

/// Locks, even after a thread panicked with the lock held: memory of numbers has no broken state.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
