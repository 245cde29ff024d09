//! Memory that may not be there: what a model, a prompt or a number of texts needs is asked for, not taken.

use std::hint::black_box;

use crate::{Error, Result};

/// Refuses what the system has no memory for. The memory is free again afterwards: for callees that cannot fail.
pub fn check_memory(bytes: usize) -> Result<()> {
    // Otherwise the compiler could leave out an allocation that nobody uses.
    black_box(reserved::<u8>(bytes)?);
    Ok(())
}

/// As `vec![0; count]`, but if there is no memory, that is an error and not the end of the process.
pub(crate) fn zeros<T: Clone + Default>(count: usize) -> Result<Vec<T>> {
    let mut items = reserved(count)?;
    items.resize(count, T::default());
    Ok(items)
}

fn reserved<T>(count: usize) -> Result<Vec<T>> {
    let mut items = Vec::new();
    items.try_reserve_exact(count).map_err(|_| no_memory(count.saturating_mul(size_of::<T>())))?;
    Ok(items)
}

#[cold]
pub(crate) fn no_memory(bytes: usize) -> Error {
    Error::Memory(format!(
        "there is no memory for {bytes} bytes; close other programs, allow this one more, or ask for less at once"
    ))
}
