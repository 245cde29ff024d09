//! Times a whole training step (forward, loss, backward, update) on random ids and prints one line of JSON.
//!
//!     cargo run --release -p lstm --example step -- --batch 128 --time 40 --hidden 128 --layers 1 --targets last

use std::{error::Error, time::Instant};

use candle_core::{DType, Device, Tensor};
use lstm::{CharLstm, Clipping, FusedOptimizer, Implementation, Outputs, Precision, Processor, Update};
use model_card::{InputEncoding, ModelSize};

/// The trainer's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to time.
struct Options {
    batch: usize,
    time: usize,
    size: ModelSize,
    outputs: Outputs,
    steps: usize,
    naive: bool,
    precision: Precision,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let size = ModelSize { vocabulary: 60, hidden: 128, layers: 1, input: InputEncoding::OneHot };
        let (outputs, precision) = (Outputs::Last, Precision::Float32);
        let mut options = Self { batch: 128, time: 40, size, outputs, steps: 40, naive: false, precision };
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or("every flag takes a value")?;
            match flag.as_str() {
                "--batch" => options.batch = value.parse()?,
                "--time" => options.time = value.parse()?,
                "--hidden" => options.size.hidden = value.parse()?,
                "--layers" => options.size.layers = value.parse()?,
                "--vocabulary" => options.size.vocabulary = value.parse()?,
                "--embedding" => options.size.input = InputEncoding::Embedding { size: value.parse()? },
                "--targets" => options.outputs = if value == "all" { Outputs::All } else { Outputs::Last },
                "--steps" => options.steps = value.parse()?,
                "--precision" if value == "bf16" => options.precision = Precision::BFloat16,
                "--precision" if value == "f32" => options.precision = Precision::Float32,
                "--naive" => options.naive = value.parse()?,
                _ => return Err(format!("{flag} is no flag of this example; see its first lines").into()),
            }
        }
        Ok(options)
    }

    /// Floating-point operations of the matrix products: three of each (forward, to the input, to the weight), two
    /// operations a multiplication. A one-hot input takes none.
    fn operations(&self) -> f64 {
        let (rows, hidden) = (self.batch * self.time, self.size.hidden);
        let products: usize = (0..self.size.layers)
            .map(|layer| match (layer, self.size.input) {
                (0, InputEncoding::OneHot) => hidden,
                _ => self.size.input_size(layer) + hidden,
            })
            .sum();
        let outputs = if self.outputs == Outputs::All { rows } else { self.batch };
        6.0 * (rows * 4 * hidden * products + outputs * hidden * self.size.vocabulary) as f64
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut network = CharLstm::init(&options.size, 1, &Device::Cpu)?.with_precision(options.precision);
    if options.naive {
        network = network.with_implementation(Implementation::Naive);
    }
    let ids = random_ids(&options, &[options.batch, options.time])?;
    let all = [options.batch, options.time];
    let targets = random_ids(&options, if options.outputs == Outputs::All { &all } else { &all[..1] })?;
    let optimizer = FusedOptimizer { processor: Processor::detect() };
    let rms_prop = Update::Adaptive { learning_rate: 0.01, correction: 1.0, epsilon: 1e-7, weight_decay: 0.0 };
    let variables = network.variables();
    let squares = variables.iter().map(|variable| variable.zeros_like()).collect::<Result<Vec<_>, _>>()?;
    let step = || -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        let (loss, _) = network.loss(&ids, &targets, None, options.outputs)?;
        let gradients = loss.backward()?;
        for (variable, mean_square) in variables.iter().zip(&squares) {
            let gradient = gradients.get(variable).ok_or("a variable has no gradient")?;
            optimizer.update_moment(mean_square, gradient, Clipping::NONE, Update::MovingSquare { decay: 0.9 })?;
            optimizer.adaptive_step(variable, gradient, mean_square, Clipping::NONE, rms_prop)?;
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    for _ in 0..5 {
        step()?;
    }
    let mut times = (0..options.steps).map(|_| step()).collect::<Result<Vec<_>, _>>()?;
    times.sort_by(f64::total_cmp);
    let (minimum, median) = (times[0], times[times.len() / 2]);
    println!(
        "{{\"framework\": \"scrimshaw\", \"batch\": {}, \"time\": {}, \"hidden\": {}, \"layers\": {}, \"targets\": \"{}\", \
         \"precision\": \"{:?}\", \"median_ms\": {median:.2}, \"minimum_ms\": {minimum:.2}, \"gflops\": {:.1}, \"peak_rss_mb\": {:.0}}}",
        options.batch,
        options.time,
        options.size.hidden,
        options.size.layers,
        if options.outputs == Outputs::All { "all" } else { "last" },
        options.precision,
        options.operations() / median / 1e6,
        peak_memory(),
    );
    Ok(())
}

/// Ids that repeat nowhere soon: the point is that no two neighbours are alike.
fn random_ids(options: &Options, dims: &[usize]) -> Result<Tensor, candle_core::Error> {
    let count: usize = dims.iter().product();
    let ids: Vec<u32> =
        (0..count as u64).map(|index| ((index * 0x9E37_79B9) >> 7) as u32 % options.size.vocabulary as u32).collect();
    Tensor::from_vec(ids, dims, &Device::Cpu)?.to_dtype(DType::U32)
}

/// Most memory that was ever resident, in MB; zero where the system does not say.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
