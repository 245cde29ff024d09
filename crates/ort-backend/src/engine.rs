//! What an engine is to `ort`.

use std::{borrow::Cow, ffi::CStr, fs, path::Path};

use crate::{
    description::Metadata,
    error::{Error, Result},
    options::Options,
    port::Port,
    tensor::{Tensor, View},
};

/// Opens models.
pub trait Engine: 'static {
    /// The engine's name and version, for `ort::info()`.
    const NAME: &'static CStr;
    /// An opened model.
    type Model: Model;

    /// Opens a model. What it needs of the source's bytes later, it must copy.
    fn open(source: ModelSource<'_>, options: &Options) -> Result<Self::Model>;
}

/// A model behind one `ort` session. Callers may run it on several threads at once.
pub trait Model: Send + Sync + 'static {
    /// The results of a run.
    type Outputs<'m>: Outputs
    where
        Self: 'm;

    /// What it takes.
    fn inputs(&self) -> &[Port];

    /// What it gives.
    fn outputs(&self) -> &[Port];

    /// What its file says of it.
    fn metadata(&self) -> &Metadata;

    /// Runs the model. There is a view for each of [`inputs`](Self::inputs), in their order, of the declared type and
    /// dimensions. `wanted` are indices of [`outputs`](Self::outputs).
    fn run(&self, inputs: &[View<'_>], wanted: &[usize]) -> Result<Self::Outputs<'_>>;
}

/// The results of a run, in the order in which they were asked for.
pub trait Outputs {
    /// The result at a position of `wanted`; called once for each.
    fn take(&mut self, position: usize) -> Result<Output<'_>>;
}

/// A result.
#[derive(Debug)]
pub enum Output<'m> {
    /// A tensor that the caller gets.
    Owned(Tensor),
    /// Numbers that are copied for the caller, into a tensor of theirs if they gave one.
    Borrowed(View<'m>),
}

/// Tensors in the order in which they were asked for.
impl Outputs for Vec<Option<Tensor>> {
    fn take(&mut self, position: usize) -> Result<Output<'_>> {
        let tensor = self.get_mut(position).and_then(Option::take);
        tensor.map(Output::Owned).ok_or_else(|| Error::Run("the engine gave too few outputs".into()))
    }
}

/// Where a model is.
#[derive(Debug, Clone, Copy)]
pub enum ModelSource<'a> {
    /// In a file, which may name others beside it.
    File(&'a Path),
    /// In memory.
    Memory(&'a [u8]),
}

impl<'a> ModelSource<'a> {
    /// The bytes of the model.
    pub fn read(self) -> Result<Cow<'a, [u8]>> {
        match self {
            Self::Memory(bytes) => Ok(bytes.into()),
            Self::File(path) => match fs::read(path) {
                Ok(bytes) => Ok(bytes.into()),
                Err(reason) => Err(Error::Unreadable { path: path.to_owned(), reason }),
            },
        }
    }
}
