//! The network: a character LSTM in candle, from token ids to one logit per token of the vocabulary.
//!
//! [`CharLstm`] holds the weights and runs the sequence; [`naive`] is the reference it is held against, the equations
//! written in candle's ordinary ops. The fast path is crate `kernels` behind candle's custom ops. Weights have PyTorch's names
//! and shapes ([`model_card::tensors`]) outside, whatever the layout in memory. This crate knows nothing of files, corpora or
//! loops.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use lstm::{CharLstm, Outputs};
//! use model_card::{InputEncoding, ModelSize};
//!
//! let size = ModelSize { vocabulary: 60, hidden: 16, layers: 1, input: InputEncoding::OneHot };
//! let network = CharLstm::init(&size, 7, &Device::Cpu)?;
//! let ids = Tensor::new(&[[3u32, 1, 4], [1, 5, 9]], &Device::Cpu)?; // (N, T)
//! let (logits, state) = network.forward(&ids, None, Outputs::Last)?;
//! assert_eq!(logits.dims(), [2, 60]); // (N, V)
//! assert_eq!(state.hidden.dims(), [1, 2, 16]); // (L, N, H)
//! # Ok::<(), lstm::Error>(())
//! ```

mod dropout;
mod init;
mod network;
mod ops;
mod recording;
mod weights;

pub mod naive;

pub use dropout::Dropout;
pub use kernels::{
    Instructions, Precision,
    training::{Clipping, Update},
};
pub use network::{CharLstm, Implementation, Outputs, State};
pub use ops::{FusedOptimizer, Processor};
pub use recording::{Activations, Recording};

/// What can go wrong between ids and logits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A size of the network is zero.
    #[error("no size of a network may be zero: {0:?}")]
    ZeroSize(model_card::ModelSize),
    /// A checkpoint lacks a tensor that the network's size calls for.
    #[error("the checkpoint has no tensor {0:?}: is it of a network with fewer layers, or of another program?")]
    MissingTensor(String),
    /// A tensor has another shape than the network's size calls for.
    #[error("{name} has the shape {found:?} where {expected:?} is expected: was it made for another network or batch?")]
    WrongShape {
        /// The tensor's name in the checkpoint, or the argument's.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// The batch of ids holds no sequence, or sequences of no token.
    #[error("the ids have the shape {0:?}: give at least one sequence of at least one token, as (batch, time)")]
    NoTokens(Vec<usize>),
    /// candle refused an operation.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
