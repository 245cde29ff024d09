//! Times one character of a character model (ids, h, c → logits, `h_next`, `c_next`) through `ort`, with this crate or
//! with ONNX Runtime behind it, and prints a line of JSON:
//!
//! ```text
//! python crates/ort-rten/tests/models.py character FOLDER
//! cargo run --release -p ort-rten --example character -- FOLDER/1x128.onnx
//! ORT_DYLIB_PATH=libonnxruntime.so cargo run --release -p ort-rten --features onnxruntime --example character -- \
//!     FOLDER/1x128.onnx --onnxruntime
//! ```
//!
//! `--outside` calls this crate from a thread of no pool, which shows what the hand-over costs; `--batch N` runs N
//! sequences at once and `--time T` that many characters of each.

use std::{env, process::ExitCode, time::Instant};

use ort::{session::Session, value::TensorRef};

#[path = "../tests/common/peer.rs"]
mod peer;

#[global_allocator]
static ALLOCATOR: ort_rten::LargePages = ort_rten::LargePages;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Config {
    model: String,
    backend: &'static str,
    within_pool: bool,
    batch: usize,
    time: usize,
}

fn main() -> ExitCode {
    let outcome = parse(env::args().skip(1)).and_then(|config| {
        if config.within_pool { ort_rten::within_pool(1, || measure(&config)) } else { measure(&config) }
    });
    match outcome {
        Ok(json) => println!("{json}"),
        Err(error) => {
            eprintln!("character: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Config, Failure> {
    let mut config = Config { model: String::new(), backend: "rten", within_pool: true, batch: 1, time: 1 };
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--onnxruntime" => (config.backend, config.within_pool) = ("onnxruntime", false),
            "--outside" => config.within_pool = false,
            "--batch" => config.batch = arguments.next().ok_or("--batch wants a number")?.parse()?,
            "--time" => config.time = arguments.next().ok_or("--time wants a number")?.parse()?,
            _ => config.model = argument,
        }
    }
    if config.model.is_empty() {
        return Err("usage: character MODEL.onnx [--onnxruntime] [--outside] [--batch N] [--time T]".into());
    }
    Ok(config)
}

fn measure(config: &Config) -> Result<String, Failure> {
    let api = if config.backend == "rten" { ort_rten::api() } else { peer::api()? };
    ort::set_api(api);
    let start = Instant::now();
    let environment = ort::init().with_telemetry(false).build()?;
    let mut session = Session::builder(&environment)?
        .with_intra_threads(1)
        .map_err(ort::Error::<()>::from)?
        .commit_from_file(&config.model)?;
    let load = start.elapsed();

    let shape = session.inputs()[1].dtype().tensor_shape().ok_or("`h` has no shape")?.to_vec();
    let state_shape = [shape[0], config.batch as i64, shape[2]];
    let ids: Vec<i64> = (0..config.time * config.batch).map(|index| index as i64 % 7).collect();
    let mut hidden = vec![0.0_f32; (shape[0] * shape[2]) as usize * config.batch];
    let mut cell = hidden.clone();

    let mut micros = Vec::new();
    let begin = Instant::now();
    while micros.len() < 50 || begin.elapsed().as_secs_f32() < 1.0 {
        let start = Instant::now();
        let outputs = session.run(ort::inputs![
            "ids" => TensorRef::from_array_view(([config.time, config.batch], &*ids))?,
            "h" => TensorRef::from_array_view((state_shape, &*hidden))?,
            "c" => TensorRef::from_array_view((state_shape, &*cell))?,
        ])?;
        let (_, logits) = outputs["logits"].try_extract_tensor::<f32>()?;
        std::hint::black_box(logits);
        let (_, next_hidden) = outputs["h_next"].try_extract_tensor::<f32>()?;
        let (_, next_cell) = outputs["c_next"].try_extract_tensor::<f32>()?;
        hidden.copy_from_slice(next_hidden);
        cell.copy_from_slice(next_cell);
        drop(outputs);
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    Ok(format!(
        r#"{{"model":"{}","backend":"{}","within_pool":{},"batch":{},"time":{},"median_us":{:.1},"p10_us":{:.1},"runs":{},"load_ms":{:.2}}}"#,
        config.model.rsplit('/').next().unwrap_or_default(),
        config.backend,
        config.within_pool,
        config.batch,
        config.time,
        micros[micros.len() / 2],
        micros[micros.len() / 10],
        micros.len(),
        load.as_secs_f64() * 1e3
    ))
}
