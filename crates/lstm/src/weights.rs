//! Weights under PyTorch's names and shapes, from the network's variables and back.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor, Var};
use model_card::{InputEncoding, ModelSize, tensors};

use crate::{
    CharLstm, Error, Implementation, Result,
    network::{Layer, LayerMemory, check_size},
    ops::Pool,
};

impl CharLstm {
    /// The weights under PyTorch's names, in its shapes ([`model_card::tensors`]), detached from the variables.
    ///
    /// `bias_ih` is the whole bias and `bias_hh` zeros.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let hidden = self.size.hidden;
        let mut all = BTreeMap::new();
        if let Some(embedding) = &self.embedding {
            all.insert(tensors::EMBEDDING_WEIGHT.into(), embedding.as_detached_tensor().force_contiguous()?); // (V, E)
        }
        for (index, Layer { weights, input, .. }) in self.layers.iter().enumerate() {
            let weights = weights.as_detached_tensor(); // (I + H + 1, 4H)
            let bias = weights.get(input + hidden)?.force_contiguous()?; // (4H)
            all.insert(tensors::weight_ih(index), transposed(&weights.narrow(0, 0, *input)?)?); // (4H, I)
            all.insert(tensors::weight_hh(index), transposed(&weights.narrow(0, *input, hidden)?)?); // (4H, H)
            all.insert(tensors::bias_hh(index), bias.zeros_like()?);
            all.insert(tensors::bias_ih(index), bias);
        }
        all.insert(tensors::OUTPUT_WEIGHT.into(), transposed(&self.output_weight()?.detach())?); // (V, H)
        all.insert(tensors::OUTPUT_BIAS.into(), self.output_bias.as_detached_tensor().force_contiguous()?); // (V)
        Ok(all)
    }

    /// A network with the weights of a checkpoint: named tensors as [`CharLstm::tensors`] gives them, or as PyTorch
    /// does, whose two biases act as their sum. Tensors of other names are ignored.
    pub fn load(
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        size: &ModelSize,
        device: &Device,
    ) -> Result<Self> {
        check_size(size)?;
        let ModelSize { vocabulary, hidden, .. } = *size;
        let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
        let take = |name: &str, expected: &[usize]| -> Result<Tensor> {
            let tensor = tensors.get(name).ok_or_else(|| Error::MissingTensor(name.into()))?;
            if tensor.dims() != expected {
                let (found, expected) = (tensor.dims().to_vec(), expected.to_vec());
                return Err(Error::WrongShape { name: name.into(), found, expected });
            }
            Ok(tensor.to_dtype(DType::F32)?.to_device(device)?)
        };
        let embedding = match size.embedding_size() {
            None => None,
            Some(size) => Some(take(tensors::EMBEDDING_WEIGHT, &[vocabulary, size])?),
        };
        let layers = (0..size.layers)
            .map(|index| {
                let (input, gates) = (size.input_size(index), 4 * hidden);
                let bias = (take(&tensors::bias_ih(index), &[gates])? + take(&tensors::bias_hh(index), &[gates])?)?;
                let input_weight = take(&tensors::weight_ih(index), &[gates, input])?.t()?; // (I, 4H)
                let recurrent_weight = take(&tensors::weight_hh(index), &[gates, hidden])?.t()?; // (H, 4H)
                let weights = Tensor::cat(&[input_weight, recurrent_weight, bias.unsqueeze(0)?], 0)?;
                Ok(Layer { weights: variable(&weights)?, input, memory: LayerMemory::default() }) // (I + H + 1, 4H)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            size: *size,
            implementation: Implementation::of(device),
            embedding: embedding.as_ref().map(variable).transpose()?,
            layers,
            output_weight: match size.input {
                InputEncoding::TiedEmbedding => None,
                _ => Some(variable(&take(tensors::OUTPUT_WEIGHT, &[vocabulary, hidden])?.t()?)?), // (H, V)
            },
            output_bias: variable(&take(tensors::OUTPUT_BIAS, &[vocabulary])?)?, // (V)
            memory: Pool::default(),
        })
    }
}

/// A contiguous copy with the axes swapped.
fn transposed(matrix: &Tensor) -> Result<Tensor> {
    Ok(matrix.t()?.force_contiguous()?)
}

/// A new variable, whatever views or graph the tensor is part of.
fn variable(tensor: &Tensor) -> Result<Var> {
    Ok(Var::from_tensor(&tensor.detach().force_contiguous()?)?)
}
