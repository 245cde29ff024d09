//! Whether an LSTM may look its input's product up in place of computing it.

use kernels::inference::is_identity;

use crate::weights::Weights;

/// Multiplications that the products computed in advance may take for a whole file: some tenths of a second.
pub(crate) const MOST_WORK: usize = 1 << 28;

/// Whether the product of a table (V, I) with the input weights (4H, I) of a layer is to be computed when the model is
/// opened, so that each step looks a row of it up and multiplies no input.
///
/// One-hot rows, and rows that are gates already because the input weights are an identity, fold if their product takes no
/// more memory than the table and the weights that it replaces, as that of an exported network does: it takes next to no
/// time. Other tables fold if the product takes no more memory than the layer, and no more than what is left of `work`
/// multiplications.
pub(crate) fn folds(table: &Weights<'_, '_>, weights: &Weights<'_, '_>, hidden: usize, work: &mut usize) -> bool {
    let &[rows, width] = table.shape() else { return false };
    if rows.saturating_mul(4 * hidden) > table.len() + weights.len() && rows > hidden {
        return false;
    }
    // Numbers that are not finite are reported when they are packed.
    let (Ok(numbers), Ok(weights)) = (table.floats(), weights.floats()) else { return false };
    let nonzeros = numbers.iter().filter(|&&number| f32::from_le_bytes(number) != 0.0).count();
    if nonzeros <= rows || is_identity(&weights, width) {
        return true;
    }
    let left = work.checked_sub(nonzeros.saturating_mul(4 * hidden)).filter(|_| rows <= width.max(hidden));
    *work = left.unwrap_or(*work);
    left.is_some()
}
