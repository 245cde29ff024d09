//! A graph as a list of steps, with its weights packed.

use kernels::{
    Instructions,
    inference::{self, QuantizedDense, QuantizedLayer},
};
use smallvec::SmallVec;

/// A compiled graph. It never changes, so that any number of [`Session`](crate::Session)s can share it.
pub struct Plan {
    pub(crate) instructions: Instructions,
    pub(crate) inputs: Vec<String>,
    /// The value of each of the model's outputs.
    pub(crate) outputs: Vec<usize>,
    pub(crate) output_names: Vec<String>,
    pub(crate) steps: Vec<Step>,
    /// How many values there are; the first are the inputs.
    pub(crate) values: usize,
    /// How many buffers the steps write to.
    pub(crate) buffers: usize,
    /// How many numbers the packed weights are, about.
    pub(crate) packed: usize,
}

impl Plan {
    /// The instructions that the kernels use.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// The names of the inputs.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.output_names
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { instructions, inputs, output_names, steps, .. } = self;
        let mut plan = formatter.debug_struct("Plan");
        plan.field("instructions", &instructions.name()).field("inputs", inputs).field("outputs", output_names);
        plan.field("steps", &steps.iter().map(|step| &step.operation).collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Indices of values; none where an operator leaves one out.
pub(crate) type Values = SmallVec<[Option<usize>; 3]>;

/// One operator, or several in one.
pub(crate) struct Step {
    pub(crate) operation: Operation,
    /// Values that it reads.
    pub(crate) inputs: Values,
    /// Values that it makes.
    pub(crate) outputs: Values,
    /// The first of the buffers that it writes to.
    pub(crate) buffer: usize,
}

/// In what the products of a plan are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// What the weights are stored as: int8 weights are multiplied with hidden states that are rounded to multiples of 1/127,
    /// summed in integers. The results are the same bits on every machine.
    #[default]
    Stored,
    /// Floats: int8 weights are dequantized first, as other engines do.
    Floats,
}

/// A layer's packed weights.
pub(crate) enum Layer {
    Floats(inference::Layer),
    Integers(QuantizedLayer),
}

/// The packed weights of a dense product.
pub(crate) enum Product {
    Floats(inference::Dense),
    Integers(QuantizedDense),
}

impl Layer {
    pub(crate) fn hidden(&self) -> usize {
        match self {
            Self::Floats(layer) => layer.hidden(),
            Self::Integers(layer) => layer.hidden(),
        }
    }
}

impl Product {
    pub(crate) fn sizes(&self) -> [usize; 2] {
        match self {
            Self::Floats(dense) => dense.sizes(),
            Self::Integers(dense) => dense.sizes(),
        }
    }
}

pub(crate) enum Operation {
    /// ids → their rows of the table (rows, width).
    Rows {
        table: Vec<f32>,
        width: usize,
    },
    /// Input (T, N, I) or ids (T, N), hidden and cell state (1, N, H) → all hidden states (T, 1, N, H), the last hidden
    /// and cell state (1, N, H).
    Lstm {
        layer: Layer,
        reads: Reads,
    },
    /// (…, K) → (…, columns)
    Dense(Product),
    /// One part of several along the first axis.
    Part(Part),
    /// Several values along the first axis; of one, a copy.
    Concat,
    /// Drops axes of size 1.
    Squeeze(Vec<i64>),
    /// Inserts axes of size 1.
    Unsqueeze(Vec<i64>),
    Identity,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows { width, .. } => write!(formatter, "rows of {width}"),
            Self::Lstm { layer, reads: Reads::Ids(rows) } => {
                write!(formatter, "LSTM of {} over {rows} ids", layer.hidden())
            }
            Self::Lstm { layer, reads: Reads::Numbers(width) } => {
                write!(formatter, "LSTM of {} over {width} numbers", layer.hidden())
            }
            Self::Dense(dense) => write!(formatter, "product with {:?}", dense.sizes()),
            Self::Concat => formatter.write_str("concat"),
            Self::Part(_) | Self::Squeeze(_) | Self::Unsqueeze(_) | Self::Identity => formatter.write_str("view"),
        }
    }
}

/// What an LSTM reads.
#[derive(Clone, Copy)]
pub(crate) enum Reads {
    /// Vectors of this size.
    Numbers(usize),
    /// Ids, which stand for rows of a table of this length.
    Ids(usize),
}

#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// `len` items from `start` on, of `whole` items.
    Range { start: usize, len: usize, whole: usize },
    /// One of several parts of equal size.
    Equal { index: usize, of: usize },
    /// One item; a negative index counts from the end.
    One(i64),
}

impl Operation {
    /// Buffers that it writes to. Without any, its output is a view of its input.
    pub(crate) fn buffers(&self) -> usize {
        match self {
            Self::Lstm { .. } => 2,
            Self::Rows { .. } | Self::Dense(_) | Self::Concat => 1,
            Self::Part(_) | Self::Squeeze(_) | Self::Unsqueeze(_) | Self::Identity => 0,
        }
    }
}
