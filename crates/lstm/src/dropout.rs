//! Dropout (Srivastava et al. 2014): training steps set random numbers to zero, so that units cannot rely on each other.
//!
//! Masks hold zeros and 1 / (1 − rate): what is kept is scaled up, and inference needs no change. A mask is a function of the
//! seed alone: the same seed gives the same mask on any machine, with any number of threads, in every
//! [`Implementation`](crate::Implementation).

use candle_core::{Device, Result, Tensor};

/// Dropout probabilities, each from 0 (none) up to but not including 1, and the seed of one step's masks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dropout {
    /// Of the embedded input; a one-hot input has no dropout.
    pub input: f32,
    /// Of the hidden states between layers.
    pub between: f32,
    /// Of the hidden states that the dense layer reads.
    pub output: f32,
    /// Of the recurrent weights: `DropConnect`, for the whole sequence (Merity, Keskar and Socher 2017, section 2).
    pub recurrent: f32,
    /// Whether all time steps of a sequence share one mask (Gal and Ghahramani 2016); otherwise each has its own.
    pub variational: bool,
    /// Seed of this step's masks.
    pub seed: u64,
}

/// A mask's place in the network: each has random numbers of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Input,
    /// After the layer of that index.
    Hidden(usize),
    /// Over the recurrent weights of the layer of that index.
    Recurrent(usize),
}

impl Dropout {
    /// The mask over the hidden states of a layer of `layers`: (N, H) if all time steps share it, otherwise (T, N, H).
    pub(crate) fn hidden_mask(&self, layer: usize, layers: usize, [time, batch, size]: [usize; 3]) -> Option<Vec<f32>> {
        let rate = if layer + 1 == layers { self.output } else { self.between };
        let steps = if self.variational { 1 } else { time };
        self.mask(rate, Place::Hidden(layer), steps * batch * size)
    }

    /// The mask over the embedded input, (1, N, E) or (T, N, E).
    pub(crate) fn input_mask(&self, shape: [usize; 3], device: &Device) -> Result<Option<Tensor>> {
        let [time, batch, size] = shape;
        let steps = if self.variational { 1 } else { time };
        let mask = self.mask(self.input, Place::Input, steps * batch * size);
        mask.map(|mask| Tensor::from_vec(mask, (steps, batch, size), device)).transpose()
    }

    /// The mask over a layer's weights, (I + H + 1, 4H): ones but for the recurrent rows.
    pub(crate) fn weight_mask(
        &self,
        layer: usize,
        input: usize,
        size: usize,
        device: &Device,
    ) -> Result<Option<Tensor>> {
        if self.recurrent <= 0.0 {
            return Ok(None);
        }
        let mut mask = vec![1.0; (input + size + 1) * 4 * size];
        let recurrent = &mut mask[input * 4 * size..(input + size) * 4 * size];
        self.fill(recurrent, self.recurrent, Place::Recurrent(layer));
        Tensor::from_vec(mask, (input + size + 1, 4 * size), device).map(Some)
    }

    fn mask(&self, rate: f32, place: Place, count: usize) -> Option<Vec<f32>> {
        (rate > 0.0).then(|| {
            let mut mask = vec![0.0; count];
            self.fill(&mut mask, rate, place);
            mask
        })
    }

    /// Writes a mask: four places for each draw of 64 bits.
    fn fill(&self, mask: &mut [f32], rate: f32, place: Place) {
        let place = match place {
            Place::Input => 0,
            Place::Hidden(layer) => 2 * layer as u64 + 1,
            Place::Recurrent(layer) => 2 * layer as u64 + 2,
        };
        // 16-bit numbers below this are dropped; the scale of the others makes up for exactly that share.
        let threshold = (f64::from(rate) * DRAWS).round().min(DRAWS - 1.0);
        let kept = (DRAWS / (DRAWS - threshold)) as f32;
        let threshold = threshold as u64;
        let mut state = mixed(self.seed ^ mixed(place));
        let mut draw = || {
            state = state.wrapping_add(GOLDEN);
            let bits = mixed(state);
            [0, 16, 32, 48].map(|shift| if (bits >> shift) & 0xffff < threshold { 0.0 } else { kept })
        };
        let (fours, rest) = mask.as_chunks_mut::<4>();
        for four in fours {
            *four = draw();
        }
        let last = draw();
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// How many values 16 bits have.
const DRAWS: f64 = 65_536.0;

/// 2⁶⁴ divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of `SplitMix64` (Steele, Lea and Flood 2014): each bit of the result depends on every bit of `state`.
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_leaves_out_its_rate_and_keeps_the_mean() {
        for rate in [0.1, 0.5, 0.9] {
            let dropout = Dropout { between: rate, seed: 3, ..Dropout::default() };
            let mask = dropout.hidden_mask(0, 2, [100, 10, 100]).unwrap();
            let left_out = mask.iter().filter(|number| **number == 0.0).count() as f32 / mask.len() as f32;
            assert!((left_out - rate).abs() < 0.01, "{left_out} of {rate}");
            let mean = mask.iter().sum::<f32>() / mask.len() as f32;
            assert!((mean - 1.0).abs() < 0.03, "{mean}");
        }
    }

    #[test]
    fn masks_differ_by_place_and_seed_and_repeat() {
        let all = Dropout { input: 0.5, between: 0.5, output: 0.5, recurrent: 0.5, variational: true, seed: 1 };
        let hidden = |dropout: Dropout, layer| dropout.hidden_mask(layer, 3, [2, 4, 16]).unwrap();
        assert_eq!(hidden(all, 0).len(), 4 * 16);
        assert_eq!(hidden(all, 0), hidden(all, 0));
        assert_ne!(hidden(all, 0), hidden(all, 1));
        assert_ne!(hidden(all, 0), hidden(Dropout { seed: 2, ..all }, 0));
        assert_eq!(hidden(Dropout { variational: false, ..all }, 0).len(), 2 * 4 * 16);
        assert!(Dropout { between: 0.0, ..all }.hidden_mask(0, 3, [2, 4, 16]).is_none());
    }

    #[test]
    fn recurrent_weights_alone_are_disconnected() {
        let dropout = Dropout { recurrent: 0.5, seed: 1, ..Dropout::default() };
        let mask = dropout.weight_mask(0, 3, 8, &Device::Cpu).unwrap().unwrap();
        let rows: Vec<Vec<f32>> = mask.to_vec2().unwrap();
        assert!(rows[..3].iter().chain(&rows[11..]).flatten().all(|number| number.to_bits() == 1f32.to_bits()));
        assert!(rows[3..11].iter().flatten().all(|number| [0.0, 2.0].contains(number)));
    }
}
