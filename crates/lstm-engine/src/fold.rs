//! Whether an LSTM may look its input's product up in place of computing it.

use kernels::inference::is_identity;
use onnx_view::Tensor;

/// Multiplications that a product computed in advance may take: some tenths of a second.
const MOST_WORK: usize = 1 << 28;

/// Whether the product of a table (V, I) with the input weights (4H, I) of a layer is to be computed when the model is
/// opened, so that each step looks a row of it up and multiplies no input.
///
/// One-hot rows, and rows that are gates already because the input weights are an identity, always fold: their product
/// takes no more memory than the tables and weights that it replaces, and next to no time. Other tables fold if the product
/// takes no more memory than the layer, and little time.
pub(crate) fn folds(table: &Tensor<'_>, weights: &Tensor<'_>, hidden: usize) -> bool {
    let (&[rows, width], Some(numbers)) = (&*table.shape, table.floats()) else { return false };
    let weights = weights.floats().unwrap_or_default();
    let nonzeros = numbers.iter().filter(|&&number| f32::from_le_bytes(number) != 0.0).count();
    if nonzeros <= rows || is_identity(weights, width) {
        return true;
    }
    rows <= width.max(hidden) && nonzeros.saturating_mul(4 * hidden) <= MOST_WORK
}
