//! The sampler for JavaScript, in WebAssembly: the classes `Model` and `Generator`.
//!
//! There is no logic here: options become a [`sampler::Plan`], steps become objects, and errors become exceptions. The crate
//! compiles for every target, but its functions work in JavaScript alone.

mod generator;
mod model;
mod objects;
mod options;

pub use generator::Generator;
pub use model::Model;

use wasm_bindgen::{JsError, prelude::wasm_bindgen};

/// What a function gives, or the exception that it throws.
type Result<T> = std::result::Result<T, JsError>;

/// The types of what is no class.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** How a text is written. */
export interface Options {
  /** What the text continues. Left out, the model's own beginning. */
  prompt?: string;
  /** Characters to write: 400 if left out. */
  length?: number;
  /** 0 always takes the likeliest character, 1 follows the model, 0.5 if left out. Several are taken by turns. */
  temperature?: number | number[];
  /** Choose only among this many of the likeliest characters. */
  topK?: number;
  /** Choose only among the fewest likeliest characters whose probabilities reach this sum; above 0, at most 1. */
  topP?: number;
  /** Choose only among characters at least this many times as likely as the likeliest; 0 to 1. */
  minP?: number;
  /** Make recent characters less likely; 1 is no penalty. */
  repetitionPenalty?: number;
  /** The same seed gives the same text. Left out, one is drawn: see `Generator.seed`. */
  seed?: number | bigint;
  /** The text ends after any of these. */
  stop?: string[];
  /** Finish the last word, even if that makes the text longer. */
  words?: boolean;
  /** How many of the likeliest characters each step tells: none if left out. */
  likeliest?: number;
}

/** One token that was written. */
export interface Step {
  /** Usually one character; none inside a character of several bytes. */
  text: string;
  /** How surprising it was: minus the logarithm of its probability under the model itself, at temperature 1. */
  nats: number;
  /** The likeliest characters there, most likely first. */
  likeliest: { text: string; probability: number }[];
  /** Why the text ends here, if it does. */
  end?: "length" | "boundary" | "stop";
}

/** One character of a text that was scored. */
export interface Score {
  /** The character. */
  text: string;
  /** How surprising it was, in nats; null for the first if the model has no boundary between documents. */
  nats: number | null;
}
"#;
