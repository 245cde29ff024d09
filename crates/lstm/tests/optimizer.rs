//! The fused optimizer kernels against their formulas in f64.

use candle_core::{DType, Device, Result, Tensor, Var};
use lstm::{Clipping, FusedOptimizer, Instructions, Processor, Update};

/// Lengths below, at and beyond a vector's width, and enough for several threads.
const LENGTHS: [usize; 5] = [1, 7, 16, 35, 70_000];

fn number(index: usize, salt: usize) -> f32 {
    ((index * 37 + salt * 11) % 101) as f32 / 50.0 - 1.0
}

fn numbers(length: usize, salt: usize) -> Vec<f32> {
    (0..length).map(|index| number(index, salt)).collect()
}

/// Runs an update on every set of instructions and compares each number with `expected(old, clipped gradient, square)`.
fn check(update: Update, clipping: Clipping, expected: impl Fn(f64, f64, f64) -> f64) -> Result<()> {
    for length in LENGTHS {
        for instructions in Instructions::available() {
            let optimizer = FusedOptimizer { processor: Processor { instructions, ..Processor::detect() } };
            let target = Var::from_vec(numbers(length, 1), length, &Device::Cpu)?;
            let gradient = Tensor::from_vec(numbers(length, 2), length, &Device::Cpu)?;
            let square = Tensor::from_vec(numbers(length, 3), length, &Device::Cpu)?.sqr()?;
            match update {
                Update::MovingAverage { .. } | Update::MovingSquare { .. } => {
                    optimizer.update_moment(&target, &gradient, clipping, update)?;
                }
                Update::Adaptive { .. } => optimizer.adaptive_step(&target, &gradient, &square, clipping, update)?,
                Update::Descent { .. } => optimizer.descent_step(&target, &gradient, clipping, update)?,
            }
            let (scale, limit) = (f64::from(clipping.scale), f64::from(clipping.limit));
            for (index, found) in target.to_vec1::<f32>()?.into_iter().enumerate() {
                let gradient = (f64::from(number(index, 2)) * scale).clamp(-limit, limit);
                let expected = expected(number(index, 1).into(), gradient, f64::from(number(index, 3)).powi(2));
                assert!(
                    (f64::from(found) - expected).abs() < 1e-5,
                    "{update:?}, {clipping:?}, {instructions:?}, {index} of {length}: {found} should be {expected}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn each_update_follows_its_formula() -> Result<()> {
    let clipped = Clipping { scale: 0.5, limit: 0.25 };
    for clipping in [Clipping::NONE, clipped] {
        check(Update::MovingAverage { decay: 0.9, gain: 0.3 }, clipping, |old, gradient, _| {
            0.9 * old + 0.3 * gradient
        })?;
        check(Update::MovingSquare { decay: 0.75 }, clipping, |old, gradient, _| {
            0.75 * old + 0.25 * gradient * gradient
        })?;
        let adaptive = Update::Adaptive { learning_rate: 0.01, correction: 4.0, epsilon: 0.01, weight_decay: 0.125 };
        check(adaptive, clipping, |old, gradient, square| {
            0.875 * old - 0.01 * gradient / ((4.0 * square).sqrt() + 0.01)
        })?;
        check(Update::Descent { learning_rate: 0.1, weight_decay: 0.5 }, clipping, |old, gradient, _| {
            0.5 * old - 0.1 * gradient
        })?;
    }
    Ok(())
}

#[test]
fn nan_passes_through_the_clipping() -> Result<()> {
    let optimizer = FusedOptimizer { processor: Processor::detect() };
    let target = Var::new(&[0f32; 3], &Device::Cpu)?;
    let gradient = Tensor::new(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &Device::Cpu)?;
    let update = Update::Descent { learning_rate: 1.0, weight_decay: 0.0 };
    optimizer.descent_step(&target, &gradient, Clipping { scale: 1.0, limit: 2.0 }, update)?;
    let found = target.to_vec1::<f32>()?;
    assert!(found[0].is_nan());
    assert_eq!(found[1..], [-2.0, 2.0]);
    Ok(())
}

#[test]
fn squares_are_summed() -> Result<()> {
    let optimizer = FusedOptimizer { processor: Processor::detect() };
    for length in LENGTHS {
        let numbers = numbers(length, 4);
        let expected: f64 = numbers.iter().map(|number| f64::from(*number).powi(2)).sum();
        let found = optimizer.sum_of_squares(&Tensor::from_vec(numbers, length, &Device::Cpu)?)?;
        assert!((found - expected).abs() <= 1e-9 * expected.max(1.0), "{found} should be {expected}");
    }
    Ok(())
}

#[test]
fn tensors_of_another_length_are_refused() {
    let optimizer = FusedOptimizer { processor: Processor::detect() };
    let parameter = Var::from_vec(vec![1f32; 4], 4, &Device::Cpu).unwrap();
    let (right, wrong) = (parameter.zeros_like().unwrap(), Tensor::zeros(5, DType::F32, &Device::Cpu).unwrap());
    let update = Update::Adaptive { learning_rate: 0.1, correction: 1.0, epsilon: 1e-8, weight_decay: 0.0 };
    for (square, gradient) in [(&right, &wrong), (&wrong, &right)] {
        let error =
            optimizer.adaptive_step(&parameter, gradient, square, Clipping::NONE, update).unwrap_err().to_string();
        assert!(error.contains("4 numbers"), "{error}");
    }
}
