//! Whether an LSTM may look its input's product up in place of computing it.

use kernels::inference::is_identity;
use onnx_view::Tensor;

/// Multiplications that the products computed in advance may take for a whole file: some tenths of a second.
pub(crate) const MOST_WORK: usize = 1 << 28;

/// Whether the product of a table (V, I) with the input weights (4H, I) of a layer is to be computed when the model is
/// opened, so that each step looks a row of it up and multiplies no input.
///
/// One-hot rows, and rows that are gates already because the input weights are an identity, fold if their product takes no
/// more memory than the table and the weights that it replaces, as that of an exported network does: it takes next to no
/// time. Other tables fold if the product takes no more memory than the layer, and no more than what is left of `work`
/// multiplications.
pub(crate) fn folds(table: &Tensor<'_>, weights: &Tensor<'_>, hidden: usize, work: &mut usize) -> bool {
    let (&[rows, width], Some(numbers)) = (&*table.shape, table.floats()) else { return false };
    let weights = weights.floats().unwrap_or_default();
    if rows.saturating_mul(4 * hidden) > numbers.len() + weights.len() && rows > hidden {
        return false;
    }
    let nonzeros = numbers.iter().filter(|&&number| f32::from_le_bytes(number) != 0.0).count();
    if nonzeros <= rows || is_identity(weights, width) {
        return true;
    }
    let left = work.checked_sub(nonzeros.saturating_mul(4 * hidden)).filter(|_| rows <= width.max(hidden));
    *work = left.unwrap_or(*work);
    left.is_some()
}
