//! The numbers of candle's tensors as slices.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, backend::BackendStorage, bail};

/// The numbers of a contiguous f32 tensor in memory.
pub fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&numbers[start..end]),
        (CpuStorage::F32(_), None) => bail!("the fused ops read contiguous tensors, and one is {layout:?}"),
        _ => bail!("the fused ops read f32, and a tensor is {:?}", storage.dtype()),
    }
}

/// The numbers of a contiguous f32 tensor in memory, to be changed.
pub fn floats_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&mut numbers[start..end]),
        _ => bail!("the fused ops change contiguous tensors of f32, and one is {layout:?}"),
    }
}

/// The numbers of several tensors at once.
pub fn with_floats<const N: usize, R>(tensors: [&Tensor; N], body: impl FnOnce([&[f32]; N]) -> Result<R>) -> Result<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut slices = [&[] as &[f32]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else { bail!("a tensor of a fused op is not in memory") };
        *slice = floats(storage, layout)?;
    }
    body(slices)
}
