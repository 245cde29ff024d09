//! Softmax and cross-entropy in one op, which has the gradient ready when it has the loss.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::{
    Instructions, Job,
    activation::exponential,
    floats, in_parallel,
    lanes::Lanes,
    memory::Shared,
    tile::{load_some, store_some},
};

/// Mean cross-entropy, in nats, of logits (rows, V) against targets of u32, one for each of the first rows; rows beyond the
/// targets count for nothing. Good for one forward and at most one backward pass.
#[derive(Debug)]
pub struct CrossEntropy {
    instructions: Instructions,
    gradient: Mutex<Option<Vec<f32>>>,
}

impl CrossEntropy {
    /// The op.
    pub fn new(instructions: Instructions) -> Self {
        Self { instructions, gradient: Mutex::new(None) }
    }
}

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        targets: &CpuStorage,
        targets_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, vocabulary) = logits_layout.shape().dims2()?;
        let logits = floats(logits, logits_layout)?;
        let (CpuStorage::U32(targets), Some((start, end))) = (targets, targets_layout.contiguous_offsets()) else {
            bail!("cross-entropy: targets are contiguous u32");
        };
        let targets = &targets[start..end];
        if targets.is_empty() || targets.len() > rows || targets.iter().any(|target| *target as usize >= vocabulary) {
            bail!("cross-entropy: {} targets of {rows} rows, each below {vocabulary}, are asked for", targets.len());
        }
        let (mut gradient, mut losses) = (vec![0.0; logits.len()], vec![0.0; targets.len()]);
        let job = Softmax {
            rows: 0..0,
            vocabulary,
            logits,
            targets,
            gradient: Shared::new(&mut gradient),
            losses: Shared::new(&mut losses),
        };
        in_parallel(targets.len(), 8 * logits.len(), |rows| self.instructions.run(Softmax { rows, ..job.clone() }));
        let sum: f64 = losses.iter().map(|loss| f64::from(*loss)).sum();
        *self.gradient.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
        Ok((CpuStorage::F32(vec![(sum / targets.len() as f64) as f32]), ().into()))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        _targets: &Tensor,
        _loss: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(mut saved) = self.gradient.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            bail!("cross-entropy: the gradients of this pass were taken before; run the network forward again");
        };
        let scale = gradient.to_scalar::<f32>()?;
        if scale.to_bits() != 1f32.to_bits() {
            saved.iter_mut().for_each(|number| *number *= scale);
        }
        Ok((Some(Tensor::from_vec(saved, logits.shape(), logits.device())?), None))
    }
}

/// Losses of some rows, and their gradients already divided by the number of rows.
#[derive(Debug, Clone)]
struct Softmax<'a> {
    rows: Range<usize>,
    vocabulary: usize,
    logits: &'a [f32],
    targets: &'a [u32],
    gradient: Shared<'a>,
    losses: Shared<'a>,
}

impl Job for Softmax<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        let share = 1.0 / self.targets.len() as f32;
        // SAFETY: this thread alone has these rows.
        let losses = unsafe { self.losses.write(self.rows.clone()) };
        for (row, loss) in self.rows.clone().zip(losses) {
            let place = row * self.vocabulary..(row + 1) * self.vocabulary;
            let logits = &self.logits[place.clone()];
            // SAFETY: as above.
            let gradient = unsafe { self.gradient.write(place) };
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sums = simd.splat(0.0);
            for (logits, exponentials) in logits.chunks(S::WIDTH).zip(gradient.chunks_mut(S::WIDTH)) {
                let vector = exponential(simd, simd.sub(load_some(simd, logits), simd.splat(largest)));
                store_some(simd, exponentials, vector);
                sums = simd.add(sums, load_some(simd, exponentials));
            }
            let mut lanes = [0.0; 16];
            store_some(simd, &mut lanes[..S::WIDTH], sums);
            let sum: f32 = lanes.iter().sum();
            let target = self.targets[row] as usize;
            *loss = sum.ln() - (logits[target] - largest);
            let scale = simd.splat(share / sum);
            for exponentials in gradient.chunks_mut(S::WIDTH) {
                let vector = simd.mul(load_some(simd, exponentials), scale);
                store_some(simd, exponentials, vector);
            }
            gradient[target] -= share;
        }
    }
}
