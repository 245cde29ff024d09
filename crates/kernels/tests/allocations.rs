//! Inference takes no memory from the allocator once its scratch has grown.

use kernels::{
    Alone, Instructions,
    inference::{Dense, Input, Layer, Scratch, Weights},
};

const INPUTS: usize = 5;
const HIDDEN: usize = 21;

#[test]
fn runs_allocate_nothing_once_the_scratch_has_grown() {
    let numbers = vec![0.25_f32.to_le_bytes(); 4 * HIDDEN * HIDDEN];
    let weights = Weights {
        inputs: INPUTS,
        hidden: HIDDEN,
        input: &numbers[..4 * HIDDEN * INPUTS],
        recurrent: &numbers,
        bias: vec![0.5; 4 * HIDDEN],
    };
    let input = [0.125; 7 * 3 * INPUTS];
    for instructions in Instructions::available() {
        let layer = Layer::new(instructions, &weights);
        let over_table = Layer::over_table(instructions, &weights, &numbers[..2 * INPUTS]);
        let dense = Dense::pack(instructions, [HIDDEN, 9], &numbers[..9 * HIDDEN], None);
        let (mut sequence, mut cell, mut scratch) =
            (vec![0.0; 7 * 3 * HIDDEN], vec![0.0; 3 * HIDDEN], Scratch::default());
        let mut logits = vec![0.0; 7 * 3 * 9];
        let mut run = || {
            let input = Input::Rows(&input);
            layer.run(input, [7, 3], None, &mut sequence, &mut cell, &mut scratch, &Alone);
            let input = Input::Places(&[1; 7 * 3]);
            over_table.run(input, [7, 3], None, &mut sequence, &mut cell, &mut scratch, &Alone);
            dense.multiply(7 * 3, &sequence, &mut logits);
        };
        run();
        assert_eq!(allocation_counter::measure(run).count_total, 0, "{instructions:?}");
    }
}
