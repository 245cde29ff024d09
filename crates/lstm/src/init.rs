//! Initial weights: Keras' defaults, drawn from a seed.

use std::f64::consts::TAU;

use candle_core::{Device, Tensor, Var};
use model_card::{InputEncoding, ModelSize};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::{
    CharLstm, Implementation, Result,
    network::{Layer, LayerMemory, check_size},
    ops::Pool,
};

impl CharLstm {
    /// A network with Keras' default initial weights, drawn from `seed`: the same seed gives the same weights anywhere.
    ///
    /// Kernels are Glorot-uniform, recurrent kernels orthogonal, biases zero but one at the forget gates, embeddings
    /// uniform in ±0.05.
    pub fn init(size: &ModelSize, seed: u64, device: &Device) -> Result<Self> {
        check_size(size)?;
        let ModelSize { vocabulary, hidden, .. } = *size;
        let mut draws = Draws(ChaCha8Rng::seed_from_u64(seed));
        let embedding = match size.embedding_size() {
            None => None,
            Some(size) => {
                let numbers = draws.uniform(vocabulary * size, 0.05);
                Some(Var::from_vec(numbers, (vocabulary, size), device)?) // (V, E)
            }
        };
        let layers = (0..size.layers)
            .map(|index| {
                let input = size.input_size(index);
                let mut weights = draws.glorot(input, 4 * hidden); // (I, 4H)
                weights.extend(draws.orthogonal(hidden, 4 * hidden)); // (I + H, 4H)
                weights.extend((0..4 * hidden).map(|column| if column / hidden == 1 { 1.0 } else { 0.0 }));
                let weights = Tensor::from_vec(weights, (input + hidden + 1, 4 * hidden), device)?;
                Ok(Layer { weights: Var::from_tensor(&weights)?, input, memory: LayerMemory::default() }) // (I + H + 1, 4H)
            })
            .collect::<Result<_>>()?;
        let output_weight = match size.input {
            InputEncoding::TiedEmbedding => None,
            _ => Some(Var::from_vec(draws.glorot(hidden, vocabulary), (hidden, vocabulary), device)?), // (H, V)
        };
        let output_bias = Var::from_vec(vec![0f32; vocabulary], vocabulary, device)?; // (V)
        Ok(Self {
            size: *size,
            implementation: Implementation::of(device),
            embedding,
            layers,
            output_weight,
            output_bias,
            memory: Pool::default(),
        })
    }
}

/// A stream of random numbers.
struct Draws(ChaCha8Rng);

impl Draws {
    /// Uniform in [0, 1), 53 bits of it.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in ±`limit`.
    fn uniform(&mut self, count: usize, limit: f64) -> Vec<f32> {
        (0..count).map(|_| ((2.0 * self.unit() - 1.0) * limit) as f32).collect()
    }

    /// Uniform in ±√(6 / (rows + columns)) (Glorot and Bengio 2010, equation 16). For a kernel of four gates the columns
    /// are all 4H, as Keras counts them.
    fn glorot(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        self.uniform(rows * columns, (6.0 / (rows + columns) as f64).sqrt())
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self, count: usize) -> Vec<f64> {
        let mut draw = || ((-2.0 * (1.0 - self.unit()).ln()).sqrt()) * (TAU * self.unit()).cos();
        (0..count).map(|_| draw()).collect()
    }

    /// A matrix of orthonormal rows, uniform over all such matrices; `rows` ≤ `columns` (Saxe et al. 2014,
    /// section 3).
    ///
    /// Gram-Schmidt on normal vectors is the QR decomposition with a positive diagonal that Keras arrives at by fixing
    /// signs. Such vectors are far from dependent here (columns = 4 rows), so that the modified form loses no digits.
    fn orthogonal(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        let mut matrix = self.normal(rows * columns);
        for row in 0..rows {
            let (done, rest) = matrix.split_at_mut(row * columns);
            let current = &mut rest[..columns];
            for earlier in done.chunks_exact(columns) {
                let overlap = dot(earlier, current);
                current.iter_mut().zip(earlier).for_each(|(number, direction)| *number -= overlap * direction);
            }
            let length = dot(current, current).sqrt();
            for number in current {
                *number /= length;
            }
        }
        matrix.into_iter().map(|number| number as f32).collect()
    }
}

/// The inner product in eight interleaved sums, which the compiler can keep in vector registers.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (left, right) in left.chunks(8).zip(right.chunks(8)) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum()
}
