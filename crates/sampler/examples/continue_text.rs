//! Continues a text with a model, and asks what the model expects after it.
//!
//!     cargo run --package sampler --example continue_text -- MODEL.onnx "It was a dark and "

use std::{error::Error, io::Write as _};

use decoding::Options;
use sampler::Sampler;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model =
        arguments.next().unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stateful.onnx").into());
    let mut sampler = Sampler::open(model)?;
    let prompt = arguments.next().unwrap_or_else(|| sampler.card().seed_text.clone());
    sampler.feed(&prompt)?;

    print!("{prompt}");
    let options = Options { temperature: 0.5, ..Options::default() };
    for character in sampler.characters(options, 7)?.take(200) {
        print!("{}", character?);
        std::io::stdout().flush()?;
    }
    println!();

    let probabilities = sampler.probabilities()?.to_vec();
    let mut likeliest = Vec::new();
    decoding::top(&probabilities, 3, &mut likeliest);
    for token in likeliest {
        println!("{:6.2} %  {:?}", 100.0 * probabilities[token], sampler.card().vocabulary.decode(&[token as u32]));
    }
    Ok(())
}
