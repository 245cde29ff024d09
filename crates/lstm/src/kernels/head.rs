//! The dense layer from hidden states to logits, alone or with the loss, as one op.
//!
//! Logits lie as gates do, in panels of four vectors, so that the gradients come from the same kernels as a layer's.

use std::{ops::Range, sync::Mutex};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{
    backward::InputGradient,
    gradient::{RowGradient, Vectors, WeightGradient},
    lanes::Lanes,
    layout::{self, Panels, Sizes},
    memory::{Buffer, Lease, Link, Pool, Shared, lock},
    precision::{Precision, again, operand, round_gates},
    processor::{Job, Processor},
    softmax::Softmax,
    tensors::{floats, with_floats},
    tile::{Left, accumulate, for_tiles, load, store},
};

/// Memory of the op.
#[derive(Debug, Default)]
pub struct HeadMemory {
    weights: Buffer,
    /// Words of the hidden states, where they are not the numbers themselves.
    words: Buffer,
    transposed: Buffer,
    bias: Buffer,
    logits: Buffer,
    losses: Buffer,
    weight_gradient: Buffer,
}

/// The dense layer as an op of three tensors, good for one forward and at most one backward pass:
///
/// 1. the last layer's final states (2, N, H), through which its gradients go back;
/// 2. the weight (H, V);
/// 3. the bias (V).
///
/// It reads the steps of a link, rows (T N), if there is one, otherwise the final hidden states, rows (N). The result is
/// the logits (rows, V); or with targets the mean cross-entropy in nats, a scalar.
#[derive(Debug)]
pub struct Head {
    processor: Processor,
    steps: Option<Link>,
    targets: Option<Vec<u32>>,
    memory: Mutex<Option<Lease<HeadMemory>>>,
    pool: Pool<HeadMemory>,
}

impl Head {
    /// The op.
    pub fn new(processor: Processor, steps: Option<Link>, targets: Option<Vec<u32>>, pool: &Pool<HeadMemory>) -> Self {
        Self { processor, steps, targets, memory: Mutex::new(None), pool: pool.clone() }
    }

    /// Runs `body` on the hidden states that count, (rows, H).
    fn with_hidden<R>(&self, states: &[f32], body: impl FnOnce(&[f32]) -> R) -> R {
        match &self.steps {
            Some(link) => body(lock(link).memory.output()),
            None => body(&states[..states.len() / 2]),
        }
    }
}

/// How logits lie, and the sizes under which the layers' kernels take them for gates.
fn places(processor: Processor, rows: usize, hidden: usize, vocabulary: usize) -> (Panels, Sizes) {
    let width = processor.instructions.width();
    let panels = Panels { rows, length: vocabulary, width };
    let (hidden_of_logits, precision) = (panels.count() * width, processor.precision);
    (panels, Sizes { time: 1, batch: rows, input: hidden, hidden: hidden_of_logits, width, precision })
}

impl CustomOp3 for Head {
    fn name(&self) -> &'static str {
        "lstm-head"
    }

    fn cpu_fwd(
        &self,
        states: &CpuStorage,
        states_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (hidden, vocabulary) = weight_layout.shape().dims2()?;
        let (states, weight, bias) =
            (floats(states, states_layout)?, floats(weight, weight_layout)?, floats(bias, bias_layout)?);
        let mut lease = self.pool.take();
        let result = self.with_hidden(states, |vectors| {
            let rows = vectors.len() / hidden;
            if states_layout.dims().last() != Some(&hidden) || bias.len() != vocabulary {
                bail!("lstm-head: states {states_layout:?}, weight {weight_layout:?}, bias {bias_layout:?} do not fit");
            }
            let (panels, _) = places(self.processor, rows, hidden, vocabulary);
            let HeadMemory { weights, words, bias: bias_panels, logits, losses, .. } = &mut lease.memory;
            let precision = self.processor.precision;
            let length = precision.words(hidden);
            let (weight_panels, one_row) = (Panels { rows: length, ..panels }, Panels { rows: 1, ..panels });
            weight_panels.pack_operand(precision, weight, weights.sized(weight_panels.size()));
            one_row.pack(bias, bias_panels.sized(one_row.size()));
            let job = Logits {
                panels,
                rows: 0..rows,
                precision,
                vectors: operand(&self.processor, vectors, hidden, words),
                length,
                weights: weights.floats(),
                bias: bias_panels.floats(),
                target: Shared::new(logits.sized(panels.size())),
            };
            self.processor.run(rows, panels.size() * hidden, |rows| Logits { rows, ..job.clone() });
            let Some(targets) = &self.targets else {
                let mut matrix = vec![0.0; rows * vocabulary];
                panels.unpack(logits.floats(), &mut matrix);
                return Ok((CpuStorage::F32(matrix), Shape::from((rows, vocabulary))));
            };
            if targets.len() != rows || targets.iter().any(|target| *target as usize >= vocabulary) {
                bail!("lstm-head: {rows} rows of logits take as many targets, each below {vocabulary}");
            }
            let job = Softmax {
                panels,
                rows: 0..rows,
                targets,
                logits: Shared::new(logits.floats_mut()),
                losses: Shared::new(losses.sized(rows)),
            };
            self.processor.run(rows, 16 * panels.size(), |rows| Softmax { rows, ..job.clone() });
            let sum: f64 = losses.floats().iter().map(|loss| f64::from(*loss)).sum();
            Ok((CpuStorage::F32(vec![(sum / rows as f64) as f32]), Shape::from(())))
        })?;
        *lock(&self.memory) = Some(lease);
        Ok(result)
    }

    fn bwd(
        &self,
        states: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(mut lease) = lock(&self.memory).take() else {
            bail!("lstm-head: the gradients of this pass were taken before; run the network forward again");
        };
        let (hidden, vocabulary) = weight.dims2()?;
        let gradient = gradient.contiguous()?;
        let mut states_gradient = vec![0.0; states.elem_count()];
        let (weight_gradient, bias_gradient) =
            with_floats([states, weight, &gradient], |[states, weight, gradient]| {
                let rows = self.with_hidden(states, |vectors| vectors.len() / hidden);
                let (panels, sizes) = places(self.processor, rows, hidden, vocabulary);
                let logits = lease.memory.logits.floats_mut();
                match &self.targets {
                    None => panels.pack(gradient, logits),
                    Some(_) if gradient[0].to_bits() == 1f32.to_bits() => {}
                    Some(_) => logits.iter_mut().for_each(|number| *number *= gradient[0]),
                }
                let weight_panels = Panels { rows: hidden, ..panels };
                let length = layout::transposed_length(&sizes, hidden);
                weight_panels.pack_transposed(sizes.precision, weight, lease.memory.transposed.sized(length));
                round_gates(&self.processor, &sizes, lease.memory.logits.floats_mut());
                match &self.steps {
                    Some(link) => {
                        let steps = &mut lock(link).memory;
                        steps.returned = true;
                        self.input_gradient(&sizes, &mut lease.memory, steps.gradient.sized(rows * hidden));
                    }
                    None => self.input_gradient(&sizes, &mut lease.memory, &mut states_gradient[..rows * hidden]),
                }
                Ok(self.with_hidden(states, |vectors| {
                    self.weight_gradients(&sizes, vocabulary, &mut lease.memory, vectors)
                }))
            })?;
        Ok((
            Some(Tensor::from_vec(states_gradient, states.shape(), states.device())?),
            Some(Tensor::from_vec(weight_gradient, weight.shape(), weight.device())?),
            Some(Tensor::from_vec(bias_gradient, bias.shape(), bias.device())?),
        ))
    }
}

impl Head {
    fn input_gradient(&self, sizes: &Sizes, memory: &mut HeadMemory, gradient: &mut [f32]) {
        let job = InputGradient {
            sizes: *sizes,
            rows: 0..sizes.batch,
            weights: memory.transposed.floats(),
            gates: Shared::new(memory.logits.floats_mut()),
            gradient: Shared::new(gradient),
        };
        let work = sizes.batch * sizes.input * sizes.all_gates();
        self.processor.run(sizes.batch, work, |rows| InputGradient { rows, ..job.clone() });
    }

    /// Gradients of the weight (H, V) and of the bias (V).
    fn weight_gradients(
        &self,
        sizes: &Sizes,
        vocabulary: usize,
        memory: &mut HeadMemory,
        vectors: &[f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let (gates, lines) = (memory.logits.floats(), sizes.all_gates());
        let buffer = memory.weight_gradient.sized((sizes.input + 1) * lines);
        let (weight_part, bias_part) = buffer.split_at_mut(sizes.input * lines);
        let job = WeightGradient {
            sizes: *sizes,
            rows: 0..0,
            length: sizes.input,
            vectors: Vectors::Input(again(sizes.precision, vectors, &memory.words)),
            gates,
            gradient: Shared::new(weight_part),
        };
        let work = sizes.batch * sizes.input * lines;
        self.processor.run(sizes.input, work, |rows| WeightGradient { rows, ..job.clone() });
        let job =
            RowGradient { sizes: *sizes, blocks: 0..0, ids: None, rows: 1, gates, gradient: Shared::new(bias_part) };
        self.processor.run(sizes.blocks(), gates.len(), |blocks| RowGradient { blocks, ..job.clone() });
        let weight = weight_part.chunks_exact(lines).flat_map(|line| &line[..vocabulary]).copied().collect();
        (weight, bias_part[..vocabulary].to_vec())
    }
}

/// Logits of some rows.
#[derive(Debug, Clone)]
struct Logits<'a> {
    panels: Panels,
    rows: Range<usize>,
    precision: Precision,
    /// Words of (rows, H).
    vectors: &'a [f32],
    /// Words of a row.
    length: usize,
    /// Words of (panels, H, 4 W).
    weights: &'a [f32],
    /// (panels, 4 W)
    bias: &'a [f32],
    /// Logits, (panels, rows, 4 W), written.
    target: Shared<'a>,
}

impl Job for Logits<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        for panel in 0..self.panels.count() {
            for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS>(simd, panel, row));
        }
    }
}

impl Logits<'_> {
    #[inline(always)]
    fn tile<S: Lanes, const R: usize>(&self, simd: S, panel: usize, row: usize) {
        let across = self.panels.across();
        let bias = &self.bias[panel * across..];
        let mut line = [simd.splat(0.0); 4];
        for (column, vector) in line.iter_mut().enumerate() {
            *vector = load(simd, &bias[column * S::WIDTH..]);
        }
        let mut tile = [line; R];
        let left = Left { words: &self.vectors[row * self.length..], row: self.length, step: 1 };
        let weights = &self.weights[panel * self.length * across..];
        accumulate(simd, self.precision, &mut tile, self.length, left, weights);
        for (index, vectors) in tile.iter().enumerate() {
            // SAFETY: this thread alone has these rows, and no other slice of them is alive.
            let target = unsafe { self.target.write(self.panels.place(panel, row + index)) };
            for (column, vector) in vectors.iter().enumerate() {
                store(simd, &mut target[column * S::WIDTH..], *vector);
            }
        }
    }
}
