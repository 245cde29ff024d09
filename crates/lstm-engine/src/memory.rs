//! Memory that may not be there: large buffers are asked for, not taken.

use crate::error::{Error, Result};

/// Refuses what the system has no memory for. The memory is free again afterwards: for callees that cannot fail.
pub(crate) fn check<T>(count: usize) -> Result<()> {
    let mut memory = Vec::<T>::new();
    memory.try_reserve_exact(count).map_err(|_| no_memory::<T>(count))?;
    // Otherwise the compiler could leave out an allocation that nobody uses.
    std::hint::black_box(memory);
    Ok(())
}

/// Makes a buffer that will be overwritten this long, and no longer: it may hold the logits of a whole text.
pub(crate) fn set_len(buffer: &mut Vec<f32>, len: usize) -> Result<()> {
    if buffer.capacity() < len {
        *buffer = Vec::new();
        buffer.try_reserve_exact(len).map_err(|_| no_memory::<f32>(len))?;
    }
    buffer.resize(len, 0.0);
    Ok(())
}

#[cold]
pub(crate) fn no_memory<T>(count: usize) -> Error {
    Error::Memory { bytes: count.saturating_mul(size_of::<T>()) }
}
