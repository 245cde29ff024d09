//! How often a training step asks for memory.

use candle_core::{Device, Tensor};
use lstm::{CharLstm, Outputs};
use model_card::{InputEncoding, ModelSize};

/// Allocations of one step once the network's own memory is there.
fn allocations(time: usize) -> u64 {
    let size = ModelSize { vocabulary: 9, hidden: 20, layers: 2, input: InputEncoding::OneHot };
    let network = CharLstm::init(&size, 0, &Device::Cpu).unwrap();
    let ids = Tensor::zeros((4, time), candle_core::DType::U32, &Device::Cpu).unwrap();
    let step = || {
        let (loss, _) = network.loss(&ids, &ids, None, Outputs::All).unwrap();
        loss.backward().unwrap();
    };
    step();
    allocation_counter::measure(step).count_total
}

#[test]
fn the_number_of_allocations_does_not_depend_on_the_number_of_time_steps() {
    let (short, long) = (allocations(3), allocations(60));
    assert_eq!(short, long, "a step over 3 time steps and one over 60");
    println!("{short} allocations a step");
}
