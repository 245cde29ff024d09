//! Launching this crate's own kernels on an NVIDIA GPU.

use std::sync::OnceLock;

use candle_core::{
    CudaStorage, Layout, Result,
    backend::BackendStorage,
    bail,
    cuda_backend::{
        CudaDType, WrapErr,
        cudarc::{
            driver::{LaunchConfig, PushKernelArg},
            nvrtc,
        },
    },
};

/// The kernels' source.
const SOURCE: &str = include_str!("cell.cu");

/// Runs the kernel `name` with one thread for each of `count` hidden units of a batch. All kernels take `count`, the hidden
/// size, three operands and a result of `length` floats, which they fill.
pub fn launch(
    name: &str,
    count: usize,
    hidden: usize,
    operands: [(&CudaStorage, &Layout); 3],
    length: usize,
) -> Result<CudaStorage> {
    static COMPILED: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let compile = || nvrtc::compile_ptx(SOURCE).map(|ptx| ptx.to_src()).map_err(|error| error.to_string());
    let ptx = match COMPILED.get_or_init(compile) {
        Ok(ptx) => ptx,
        Err(error) => {
            bail!("the GPU's kernels could not be compiled: {error}; is NVRTC of the driver's CUDA version there?")
        }
    };
    let (Ok(threads), Ok(width)) = (u32::try_from(count), u32::try_from(hidden)) else {
        bail!("{name}: {count} hidden units in a batch are more than a GPU's kernel can count");
    };
    let device = operands[0].0.device();
    let function = device.get_or_load_custom_func(name, "lstm-cell", ptx)?;
    let mut slices = vec![];
    for (storage, layout) in operands {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("{name}: the fused ops read contiguous tensors, and one is {layout:?}");
        };
        slices.push(f32::as_cuda_slice(storage)?.slice(start..end));
    }
    // SAFETY: the kernel below writes all of it before anything reads it; the stream keeps their order.
    let result = unsafe { device.alloc::<f32>(length)? };
    let mut builder = function.builder();
    builder.arg(&threads).arg(&width).arg(&slices[0]).arg(&slices[1]).arg(&slices[2]).arg(&result);
    // SAFETY: the arguments are those of both kernels in `cell.cu`, whose callers have checked the operands' shapes; a
    // kernel with less memory than it expects would read or write beyond it on the GPU.
    unsafe { builder.launch(LaunchConfig::for_num_elems(threads)) }.w()?;
    Ok(CudaStorage::wrap_cuda_slice(result, device.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs NVRTC, but no GPU.
    #[test]
    fn the_kernels_compile() {
        let ptx = nvrtc::compile_ptx(SOURCE).expect("cell.cu compiles").to_src();
        for kernel in ["cell_forward", "cell_backward"] {
            assert!(ptx.contains(&format!(".entry {kernel}(")), "no {kernel} in {ptx}");
        }
    }
}
