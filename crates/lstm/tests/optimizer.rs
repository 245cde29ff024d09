//! The fused optimizer over tensors. Crate `kernels` tests its arithmetic against the formulas.

use candle_core::{DType, Device, Result, Tensor, Var};
use lstm::{Clipping, FusedOptimizer, Instructions, Precision, Processor, Update};

const LENGTHS: [usize; 3] = [1, 35, 70_000];

fn number(index: usize, salt: usize) -> f32 {
    ((index * 37 + salt * 11) % 101) as f32 / 50.0 - 1.0
}

fn numbers(length: usize, salt: usize) -> Vec<f32> {
    (0..length).map(|index| number(index, salt)).collect()
}

fn squares(length: usize) -> Vec<f32> {
    numbers(length, 3).into_iter().map(|number| number * number).collect()
}

/// The numbers of a target after an update by the kernels, over slices.
fn updated(update: Update, clipping: Clipping, length: usize) -> Vec<f32> {
    let processor = kernels::Processor {
        instructions: Instructions::detect(),
        precision: Precision::Float32,
        workers: &kernels::Alone,
    };
    let (mut target, gradient) = (numbers(length, 1), numbers(length, 2));
    kernels::training::apply_update(&processor, update, clipping, &mut target, &gradient, &squares(length));
    target
}

#[test]
fn updates_of_tensors_are_those_of_the_kernels() -> Result<()> {
    let optimizer = FusedOptimizer { processor: Processor::detect() };
    let adaptive = Update::Adaptive { learning_rate: 0.01, correction: 4.0, epsilon: 0.01, weight_decay: 0.125 };
    for clipping in [Clipping::NONE, Clipping { scale: 0.5, limit: 0.25 }] {
        for update in [
            Update::MovingAverage { decay: 0.9, gain: 0.3 },
            Update::MovingSquare { decay: 0.75 },
            adaptive,
            Update::Descent { learning_rate: 0.1, weight_decay: 0.5 },
        ] {
            for length in LENGTHS {
                let target = Var::from_vec(numbers(length, 1), length, &Device::Cpu)?;
                let gradient = Tensor::from_vec(numbers(length, 2), length, &Device::Cpu)?;
                let square = Tensor::from_vec(squares(length), length, &Device::Cpu)?;
                match update {
                    Update::MovingAverage { .. } | Update::MovingSquare { .. } => {
                        optimizer.update_moment(&target, &gradient, clipping, update)?;
                    }
                    Update::Adaptive { .. } => {
                        optimizer.adaptive_step(&target, &gradient, &square, clipping, update)?;
                    }
                    Update::Descent { .. } => optimizer.descent_step(&target, &gradient, clipping, update)?,
                }
                assert_eq!(target.to_vec1::<f32>()?, updated(update, clipping, length), "{update:?}, {clipping:?}");
            }
        }
    }
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
