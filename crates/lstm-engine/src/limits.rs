//! What a graph may take, so that a small file cannot ask for a large machine.

use crate::{
    draft::{Draft, DraftStep},
    error::{Error, Result},
    memory,
};

/// The most lanes of a vector, to a multiple of which the columns of packed weights are padded.
const LANES: usize = 16;
/// How often the numbers of a file may be packed, on average: many operators could name the same weights, and narrow
/// matrices are padded to whole vectors.
pub(crate) const MOST_PACKED: usize = 4;
/// Numbers that any file may be packed to.
const LEAST_PACKED: usize = 1 << 22;
/// Numbers that a run may make for each id that it reads and each number of its packed weights, and for each number of a
/// state that it is given. An exported network makes a small part of one.
const MOST_MADE: usize = 4;
/// Multiplications of a run, for each id that it reads and each number of its packed weights. An exported network does one.
const MOST_WORK: usize = 16;
/// Numbers of weights that the smallest network is taken to have.
const LEAST_WEIGHTS: usize = 1 << 12;

/// Refuses a graph whose packed weights would take much more memory than its file, or more than there is. Returns how many
/// numbers they are.
pub(crate) fn packed(steps: &[DraftStep<'_, '_>], numbers: usize) -> Result<usize> {
    let packed = steps.iter().map(|step| match &step.draft {
        Draft::Rows(table) => table.len(),
        Draft::Dense { weight, .. } => weight.shape()[0].saturating_mul(weight.shape()[1].next_multiple_of(LANES)),
        Draft::Lstm { input, recurrent, table, .. } => {
            let (inputs, hidden) = (input.shape()[2], recurrent.shape()[2]);
            let rows = table.map_or(inputs, |table| table.shape()[0]);
            (rows + hidden).saturating_mul(4 * hidden.next_multiple_of(LANES))
        }
        Draft::Ready(_) | Draft::Folded => 0,
    });
    let packed = packed.fold(0, usize::saturating_add);
    if packed > numbers.saturating_mul(MOST_PACKED).max(LEAST_PACKED) {
        return Err(Error::Graph("its weights would take much more memory than its file".into()));
    }
    memory::check::<f32>(packed)?;
    Ok(packed)
}

/// What a run may still take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowance {
    made: usize,
    work: usize,
}

impl Allowance {
    /// For a run over so many ids (or, of a model without ids, numbers) and numbers of states, with weights of so many
    /// numbers.
    pub(crate) fn new(ids: usize, states: usize, weights: usize) -> Self {
        let each = ids.saturating_mul(weights.max(LEAST_WEIGHTS));
        Self { made: each.saturating_add(states).saturating_mul(MOST_MADE), work: each.saturating_mul(MOST_WORK) }
    }

    /// Takes what a step will make, and its multiplications.
    pub(crate) fn take(&mut self, made: usize, work: usize) -> Result<()> {
        let (Some(made), Some(work)) = (self.made.checked_sub(made), self.work.checked_sub(work)) else {
            return Err(Error::Graph("it makes far more numbers than its weights and inputs have".into()));
        };
        *self = Self { made, work };
        Ok(())
    }
}
