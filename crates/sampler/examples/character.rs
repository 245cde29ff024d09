//! Times one character of a model through `ort`, with the program's engine or with ONNX Runtime behind it, and prints a
//! line of JSON:
//!
//! ```text
//! cargo run --release -p onnx-export --example untrained -- 1 128 1x128.onnx
//! cargo run --release -p sampler --example character -- 1x128.onnx
//! ORT_DYLIB_PATH=libonnxruntime.so cargo run --release -p sampler --features onnxruntime --example character -- \
//!     1x128.onnx --onnxruntime
//! ```
//!
//! `--batch N` runs N sequences at once and `--time T` that many characters of each.

use std::{env, hint::black_box, path::PathBuf, process::ExitCode, time::Instant};

use sampler::{Backend, Engine, Network, read_card, read_file};

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Config {
    model: PathBuf,
    backend: Backend,
    batch: usize,
    time: usize,
}

fn main() -> ExitCode {
    match parse(env::args().skip(1)).and_then(|config| measure(&config)) {
        Ok(json) => println!("{json}"),
        Err(error) => {
            eprintln!("character: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Config, Failure> {
    let mut config = Config { model: PathBuf::new(), backend: Backend::default(), batch: 1, time: 1 };
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--onnxruntime" => {
                let library = env::var_os("ORT_DYLIB_PATH").ok_or("ORT_DYLIB_PATH must name libonnxruntime")?;
                config.backend = Backend::OnnxRuntime(library.into());
            }
            "--batch" => config.batch = arguments.next().ok_or("--batch needs a number")?.parse()?,
            "--time" => config.time = arguments.next().ok_or("--time needs a number")?.parse()?,
            _ => config.model = argument.into(),
        }
    }
    if config.model.as_os_str().is_empty() {
        return Err("usage: character MODEL.onnx [--onnxruntime] [--batch N] [--time T]".into());
    }
    Ok(config)
}

fn measure(config: &Config) -> Result<String, Failure> {
    let engine = Engine { backend: config.backend.clone(), threads: 1 };
    let bytes = read_file(&config.model)?;
    let size = read_card(&bytes)?.size;
    let start = Instant::now();
    let mut network = Network::open(&bytes, size, &engine)?;
    let load = start.elapsed();
    network.restart(config.batch)?;
    let mut micros = engine.within(|| -> sampler::Result<Vec<f64>> {
        let mut micros = Vec::new();
        let begin = Instant::now();
        while micros.len() < 50 || begin.elapsed().as_secs_f32() < 1.0 {
            let start = Instant::now();
            network.run((0..config.time * config.batch).map(|index| index as u32 % 7))?;
            black_box(network.logits());
            micros.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(micros)
    })?;
    micros.sort_by(f64::total_cmp);
    Ok(format!(
        r#"{{"model":"{}","backend":"{}","batch":{},"time":{},"median_us":{:.1},"p10_us":{:.1},"runs":{},"load_ms":{:.2}}}"#,
        config.model.file_name().unwrap_or_default().display(),
        config.backend,
        config.batch,
        config.time,
        micros[micros.len() / 2],
        micros[micros.len() / 10],
        micros.len(),
        load.as_secs_f64() * 1e3
    ))
}
