//! What can go wrong.

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The graph has an operator that the engine does not run, or not in this form.
    #[error("lstm-engine does not run the operator {operator} (node {node}): {reason}")]
    Operator {
        /// The operator.
        operator: String,
        /// The node's name, or its place in the graph.
        node: String,
        /// What about it is not supported.
        reason: &'static str,
    },
    /// The graph as a whole is not one that the engine runs.
    #[error("lstm-engine does not run this graph: {0}")]
    Graph(String),
    /// The weights hold NaN or an infinity.
    #[error(
        "the weights {tensor:?} hold numbers that are not finite, so the file is damaged or its training diverged; \
         copy it again, or export another checkpoint"
    )]
    NotFinite {
        /// The name of the tensor.
        tensor: String,
    },
    /// The system has no memory for the weights or for a run.
    #[error("there is no memory for {bytes} bytes; close other programs, allow this one more, or ask for less at once")]
    Memory {
        /// What was asked for.
        bytes: usize,
    },
    /// Inputs do not go together, or an id is outside its table.
    #[error("{0}")]
    Inputs(String),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
