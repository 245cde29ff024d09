//! The in-place optimiser against its formula.

use candle_core::{DType, Device, Result, Tensor, Var};
use lstm::kernels::{Instructions, Precision, Processor, RmsProp};

#[test]
fn updates_follow_the_formula() -> Result<()> {
    // Lengths below, at and beyond a vector's width, and enough for several threads.
    for (length, instructions) in [1, 7, 16, 35, 70_000]
        .into_iter()
        .flat_map(|length| Instructions::available().into_iter().map(move |instructions| (length, instructions)))
    {
        let rule = RmsProp {
            learning_rate: 0.01,
            decay: 0.9,
            epsilon: 1e-7,
            processor: Processor { instructions, threads: 2, precision: Precision::Float32 },
        };
        let number = |index: usize, step: usize| ((index * 37 + step * 11) % 101) as f32 / 50.0 - 1.0;
        let mut expected: Vec<(f64, f64)> = (0..length).map(|index| (f64::from(number(index, 9)), 0.0)).collect();
        let start = expected.iter().map(|(parameter, _)| *parameter as f32).collect::<Vec<_>>();
        let parameter = Var::from_vec(start, length, &Device::Cpu)?;
        let mean_square = parameter.zeros_like()?;
        for step in 0..3 {
            let gradient: Vec<f32> = (0..length).map(|index| number(index, step)).collect();
            rule.update(&parameter, &mean_square, &Tensor::from_slice(&gradient, length, &Device::Cpu)?)?;
            for ((parameter, square), gradient) in expected.iter_mut().zip(gradient) {
                let gradient = f64::from(gradient);
                *square = 0.9 * *square + 0.1 * gradient * gradient;
                *parameter -= 0.01 * gradient / (square.sqrt() + 1e-7);
            }
        }
        let (parameters, squares) = (parameter.to_vec1::<f32>()?, mean_square.to_vec1::<f32>()?);
        for ((parameter, square), (expected, expected_square)) in parameters.into_iter().zip(squares).zip(expected) {
            assert!((f64::from(parameter) - expected).abs() < 1e-6, "{instructions:?}: {parameter} for {expected}");
            assert!((f64::from(square) - expected_square).abs() < 1e-6, "{instructions:?}: {square}");
        }
    }
    Ok(())
}

#[test]
fn tensors_of_another_length_are_refused() {
    let rule = RmsProp { learning_rate: 0.01, decay: 0.9, epsilon: 1e-7, processor: Processor::detect() };
    let parameter = Var::from_vec(vec![1f32; 4], 4, &Device::Cpu).unwrap();
    let (right, wrong) = (parameter.zeros_like().unwrap(), Tensor::zeros(5, DType::F32, &Device::Cpu).unwrap());
    for (mean_square, gradient) in [(&right, &wrong), (&wrong, &right)] {
        let error = rule.update(&parameter, mean_square, gradient).unwrap_err().to_string();
        assert!(error.contains("another length"), "{error}");
    }
}
