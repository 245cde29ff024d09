//! Networks and batches in every shape that could go wrong, and everything that comes out of them.

#![allow(missing_docs, dead_code, reason = "each test program takes what it needs")]

use candle_core::{Device, Result, Tensor, Var};
use lstm::{CharLstm, Implementation, Outputs, State};
use model_card::{InputEncoding, ModelSize};

/// One network and one batch.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub vocabulary: usize,
    pub embedding: usize,
    pub hidden: usize,
    pub layers: usize,
    pub batch: usize,
    pub time: usize,
    pub outputs: Outputs,
    pub given_state: bool,
}

pub const CASE: Case = Case {
    vocabulary: 7,
    embedding: 0,
    hidden: 8,
    layers: 1,
    batch: 3,
    time: 4,
    outputs: Outputs::All,
    given_state: false,
};

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case { batch: 1, ..CASE },
        Case { time: 1, ..CASE },
        Case { time: 1, outputs: Outputs::Last, given_state: true, ..CASE },
        Case { hidden: 1, vocabulary: 2, ..CASE },
        Case { layers: 3, hidden: 13, ..CASE },
        Case { layers: 3, hidden: 13, outputs: Outputs::Last, given_state: true, ..CASE },
        Case { embedding: 5, hidden: 40, vocabulary: 70, ..CASE },
        Case { embedding: 19, layers: 2, given_state: true, ..CASE },
        // Enough rows for every height of a tile, enough units for wide and narrow panels, enough work for threads.
        Case { batch: 37, hidden: 100, time: 9, layers: 2, vocabulary: 65, given_state: true, ..CASE },
    ];
    cases.extend((1..=13).map(|batch| Case { batch, hidden: 20, outputs: Outputs::Last, ..CASE }));
    cases.extend([15, 16, 17, 31, 33, 64, 65, 81].map(|hidden| Case { hidden, given_state: true, ..CASE }));
    cases
}

/// A number anywhere in ±1 that is the same in every run.
pub fn noise(index: usize, salt: usize) -> f32 {
    let mixed =
        (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (salt as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

impl Case {
    pub fn network(&self) -> CharLstm {
        let input =
            if self.embedding == 0 { InputEncoding::OneHot } else { InputEncoding::Embedding { size: self.embedding } };
        let size = ModelSize { vocabulary: self.vocabulary, hidden: self.hidden, layers: self.layers, input };
        let network = CharLstm::init(&size, 5, &Device::Cpu).unwrap();
        for (salt, variable) in network.variables().iter().enumerate() {
            let noise = (0..variable.elem_count()).map(|index| 0.1 * noise(index, salt)).collect::<Vec<_>>();
            let noise = Tensor::from_vec(noise, variable.shape(), &Device::Cpu).unwrap();
            variable.set(&(variable.as_tensor() + noise).unwrap()).unwrap();
        }
        network
    }

    pub fn ids(&self, salt: usize, dims: &[usize]) -> Tensor {
        let id = |index| ((noise(index, salt) + 1.0) * 0.5 * self.vocabulary as f32) as u32 % self.vocabulary as u32;
        Tensor::from_vec((0..dims.iter().product()).map(id).collect::<Vec<_>>(), dims, &Device::Cpu).unwrap()
    }

    pub fn state(&self) -> [Var; 2] {
        let dims = (self.layers, self.batch, self.hidden);
        [21, 22].map(|salt| {
            let numbers = (0..self.layers * self.batch * self.hidden).map(|index| noise(index, salt)).collect();
            Var::from_vec::<_, f32>(numbers, dims, &Device::Cpu).unwrap()
        })
    }

    /// Everything that comes out of a network computed in some way, see [`Case::results_of`].
    pub fn results(&self, network: &CharLstm, implementation: Implementation) -> Result<Vec<(String, Tensor)>> {
        let network = network.with_implementation(implementation);
        self.results_of(&network, |ids, targets, state| {
            let (logits, _) = network.forward(ids, state, self.outputs).unwrap();
            let (loss, end) = network.loss(ids, targets, state, self.outputs).unwrap();
            Ok((logits, loss, end))
        })
    }

    /// Logits, states, loss, and the gradients of loss, final and initial states, from what `run` makes of ids, targets and
    /// state: logits, loss and final state.
    pub fn results_of(
        &self,
        network: &CharLstm,
        run: impl FnOnce(&Tensor, &Tensor, Option<&State>) -> Result<(Tensor, Tensor, State)>,
    ) -> Result<Vec<(String, Tensor)>> {
        let initial = self.state();
        let state = State { hidden: initial[0].as_tensor().clone(), cell: initial[1].as_tensor().clone() };
        let (all, ids) = ([self.batch, self.time], self.ids(1, &[self.batch, self.time]));
        let targets = self.ids(2, if self.outputs == Outputs::All { &all } else { &all[..1] });
        let (logits, loss, end) = run(&ids, &targets, self.given_state.then_some(&state))?;
        let weighted = |tensor: &Tensor, salt| {
            let weights = (0..tensor.elem_count()).map(|index| noise(index, salt)).collect::<Vec<_>>();
            (tensor * Tensor::from_vec(weights, tensor.shape(), &Device::Cpu)?)?.mean_all()
        };
        let objective = ((&loss + weighted(&end.hidden, 31)?)? + weighted(&end.cell, 32)?)?;
        let objective = (objective + weighted(&logits, 33)?)?;
        let gradients = objective.backward()?;
        let mut results = vec![("logits".into(), logits), ("loss".into(), loss.reshape(1)?)];
        results.extend([("hidden".into(), end.hidden), ("cell".into(), end.cell)]);
        for (index, variable) in network.variables().iter().enumerate() {
            results.push((format!("gradient of variable {index}"), gradients.get(variable).unwrap().clone()));
        }
        if self.given_state {
            results.extend(
                initial.iter().map(|state| ("gradient of state".into(), gradients.get(state).unwrap().clone())),
            );
        }
        Ok(results)
    }
}

pub fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}
