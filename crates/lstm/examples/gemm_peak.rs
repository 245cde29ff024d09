//! How many floating-point operations a second this machine gets out of the `gemm` crate, which candle multiplies with:
//! the best of many products of two matrices of 1024 × 1024. Prints one line of JSON.
//!
//!     cargo run --release -p lstm --example gemm_peak

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

const SIZE: usize = 1024;

fn main() -> Result<(), candle_core::Error> {
    let left = Tensor::rand(-1.0_f32, 1.0, (SIZE, SIZE), &Device::Cpu)?;
    let right = Tensor::rand(-1.0_f32, 1.0, (SIZE, SIZE), &Device::Cpu)?;
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        std::hint::black_box(left.matmul(&right)?);
        best = best.min(start.elapsed());
    }
    let operations = 2.0 * (SIZE as f64).powi(3);
    println!("{{\"size\": {SIZE}, \"gflops\": {:.1}}}", operations / best.as_secs_f64() / 1e9);
    Ok(())
}
