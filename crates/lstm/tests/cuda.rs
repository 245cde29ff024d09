//! The network on a GPU against the network on the CPU. Without a GPU the test says that it is skipped.
#![cfg(feature = "cuda")]

#[path = "../../../tests/src/skip.rs"]
mod skip;

use candle_core::{Device, Result, Tensor};
use lstm::{CharLstm, Outputs, State};
use model_card::{InputEncoding, ModelSize};
use skip::skip;

/// Logits, final states and all gradients, on the CPU in the end.
fn results(network: &CharLstm, ids: &[u32], outputs: Outputs) -> Result<Vec<Tensor>> {
    let (batch, time) = (5, ids.len() / 5);
    let ids = Tensor::from_slice(ids, (batch, time), network.device())?;
    let targets = if outputs == Outputs::All { ids.clone() } else { ids.narrow(1, 0, 1)?.flatten_all()? };
    let shape = (network.size().layers, batch, network.size().hidden);
    let state = Tensor::full(0.25f32, shape, network.device())?;
    let state = State { hidden: state.clone(), cell: state };
    let (logits, end) = network.forward(&ids, Some(&state), outputs).unwrap();
    let (loss, _) = network.loss(&ids, &targets, Some(&state), outputs).unwrap();
    let gradients = loss.backward()?;
    let mut results = vec![logits, end.hidden, end.cell];
    results.extend(network.variables().iter().map(|variable| gradients.get(variable).unwrap().clone()));
    results.iter().map(|tensor| tensor.to_device(&Device::Cpu)?.flatten_all()).collect()
}

#[test]
fn a_gpu_gives_what_the_cpu_gives() -> Result<()> {
    let Ok(device) = Device::new_cuda(0) else {
        skip("there is no GPU to compare with the CPU");
        return Ok(());
    };
    for (layers, input) in [(1, InputEncoding::OneHot), (3, InputEncoding::Embedding { size: 6 })] {
        let size = ModelSize { vocabulary: 11, hidden: 37, layers, input };
        let on_cpu = CharLstm::init(&size, 3, &Device::Cpu).unwrap();
        let on_gpu = CharLstm::load(on_cpu.tensors().unwrap(), &size, &device).unwrap();
        let ids: Vec<u32> = (0..5 * 9).map(|index| index * 7 % 11).collect();
        for outputs in [Outputs::Last, Outputs::All] {
            let (expected, found) = (results(&on_cpu, &ids, outputs)?, results(&on_gpu, &ids, outputs)?);
            for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
                let largest = expected.abs()?.max(0)?.to_scalar::<f32>()?;
                let difference = (expected - found)?.abs()?.max(0)?.to_scalar::<f32>()?;
                // cuBLAS may sum in another order, and may round products to TF32 where candle is told so.
                assert!(difference <= 1e-4 * largest, "{layers} layers, {outputs:?}, result {index}: {difference}");
            }
        }
    }
    Ok(())
}
