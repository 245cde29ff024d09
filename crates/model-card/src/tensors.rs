//! Names of the tensors in a checkpoint. They are those of a PyTorch module with fields `embedding`, `lstm` and
//! `output`.
//!
//! Shapes are PyTorch's too: `weight_ih` (4H, I), `weight_hh` (4H, H), `bias_ih` and `bias_hh` (4H), gates in the order
//! i, f, g, o; `embedding.weight` (V, E); `output.weight` (V, H), `output.bias` (V).

/// The embedding's weight, (V, E).
pub const EMBEDDING_WEIGHT: &str = "embedding.weight";
/// The dense layer's weight, (V, H).
pub const OUTPUT_WEIGHT: &str = "output.weight";
/// The dense layer's bias, (V).
pub const OUTPUT_BIAS: &str = "output.bias";

/// A layer's input weight, (4H, I).
pub fn weight_ih(layer: usize) -> String {
    format!("lstm.weight_ih_l{layer}")
}

/// A layer's recurrent weight, (4H, H).
pub fn weight_hh(layer: usize) -> String {
    format!("lstm.weight_hh_l{layer}")
}

/// A layer's bias, (4H). This is the whole bias; `bias_hh` is written as zeros.
pub fn bias_ih(layer: usize) -> String {
    format!("lstm.bias_ih_l{layer}")
}

/// PyTorch's second bias of a layer, (4H). It is written as zeros, and added to the first when read.
pub fn bias_hh(layer: usize) -> String {
    format!("lstm.bias_hh_l{layer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_pytorch_module() {
        // list(module.state_dict()) of docs/pytorch.md's module with two layers.
        let expected = [
            "embedding.weight",
            "lstm.weight_ih_l0",
            "lstm.weight_hh_l0",
            "lstm.bias_ih_l0",
            "lstm.bias_hh_l0",
            "lstm.weight_ih_l1",
            "lstm.weight_hh_l1",
            "lstm.bias_ih_l1",
            "lstm.bias_hh_l1",
            "output.weight",
            "output.bias",
        ];
        let layers = [0, 1].map(|layer| [weight_ih(layer), weight_hh(layer), bias_ih(layer), bias_hh(layer)]);
        let mut names = vec![EMBEDDING_WEIGHT.into()];
        names.extend(layers.into_iter().flatten());
        names.extend([OUTPUT_WEIGHT.into(), OUTPUT_BIAS.into()]);
        assert_eq!(names, expected);
    }
}
