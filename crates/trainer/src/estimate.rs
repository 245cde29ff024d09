//! How large a network is and how much memory its training needs at least, before anything is allocated.

use std::fs;

use candle_core::Device;
use model_card::InputEncoding;

use crate::recipe::{Cut, OptimizerSettings, Recipe};
use crate::{Error, Result};

/// Bytes of a number in memory.
const NUMBER: u128 = 4;

/// Bytes of memory that are assumed where the system does not say how much is available.
const ASSUMED_MEMORY: u128 = 256 << 30;

/// What a training takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Trained numbers in the network.
    pub parameters: u128,
    /// Bytes of memory that training needs at least.
    pub bytes: u128,
}

/// Estimates what training a recipe takes with a vocabulary of this many tokens.
///
/// Counted are the weights, their gradients, the optimizer state and the moving average, one copy of the weights for
/// evaluations and checkpoints, and the activations of one batch that the backward pass reads. What is left out (buffers of
/// the kernels, the allocator's reserves) makes the estimate a lower bound.
pub fn estimate(recipe: &Recipe, vocabulary: usize) -> Estimate {
    let [vocabulary, hidden, layers, batch, time] =
        [vocabulary, recipe.model.hidden, recipe.model.layers, recipe.batch, recipe.time()].map(|size| size as u128);
    let (embedding, first, output) = match recipe.model.input {
        InputEncoding::OneHot => (0, vocabulary, vocabulary * hidden),
        InputEncoding::Embedding { size } => (vocabulary * size as u128, size as u128, vocabulary * hidden),
        InputEncoding::TiedEmbedding => (vocabulary * hidden, hidden, 0),
    };
    let lstm = 4 * hidden * (first + hidden + 1) + (layers - 1) * 4 * hidden * (2 * hidden + 1);
    let parameters = embedding + lstm + output + vocabulary;
    let optimizer = match recipe.optimizer {
        OptimizerSettings::Sgd { momentum, .. } => u128::from(momentum > 0.0),
        OptimizerSettings::RmsProp { .. } => 1,
        OptimizerSettings::Adam { .. } | OptimizerSettings::AdamW { .. } => 2,
    };
    let copies = 3 + optimizer + u128::from(recipe.average.is_some()) + u128::from(recipe.accumulate > 1);
    // Per character and layer four gates, the cell state and the hidden state; and the logits.
    let states = layers * batch * time * 6 * hidden;
    let logits = match recipe.cut() {
        Cut::Windows(_) => batch * vocabulary,
        Cut::Streams(_) => batch * time * vocabulary,
    };
    Estimate { parameters, bytes: NUMBER * (copies * parameters + states + logits) }
}

/// Refuses a training that memory cannot hold.
///
/// # Errors
/// [`Error::TooLarge`] with both figures.
pub(crate) fn check(recipe: &Recipe, vocabulary: usize, device: &Device) -> Result<Estimate> {
    // The memory of a GPU is not known here.
    let available = if device.is_cpu() { available_memory().unwrap_or(ASSUMED_MEMORY) } else { ASSUMED_MEMORY };
    check_against(estimate(recipe, vocabulary), available)
}

fn check_against(estimate: Estimate, available: u128) -> Result<Estimate> {
    if estimate.bytes <= available {
        return Ok(estimate);
    }
    let Estimate { parameters, bytes } = estimate;
    Err(Error::TooLarge { parameters, needed: in_units(bytes), available: in_units(available) })
}

/// Bytes of memory that this process can take, free swap space included; `None` if the system does not say.
fn available_memory() -> Option<u128> {
    let of_machine = parse_memory_information(&fs::read_to_string("/proc/meminfo").ok()?)?;
    // A container may have less than its machine. Where there is no limit, the file is missing or says "max".
    let of_container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(of_container.map_or(of_machine, |limit| of_machine.min(limit)))
}

/// Linux' `/proc/meminfo`: lines such as `MemAvailable:    8012345 kB`.
fn parse_memory_information(text: &str) -> Option<u128> {
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u128>().ok()
    };
    Some(1024 * (kilobytes("MemAvailable")? + kilobytes("SwapFree").unwrap_or(0)))
}

/// A number of bytes with a unit, as in `1.5 GB`.
fn in_units(bytes: u128) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    let units = ["bytes", "KB", "MB", "GB", "TB", "PB", "EB"];
    while value >= 1000.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(assignments: &[&str]) -> Recipe {
        let assignments: Vec<String> = assignments.iter().map(ToString::to_string).collect();
        Recipe::with_overrides("modern", &assignments).unwrap()
    }

    #[test]
    fn parameters_are_those_of_the_network() {
        let inputs = ["{ kind = 'one-hot' }", "{ kind = 'embedding', size = 7 }", "{ kind = 'tied-embedding' }"];
        for (layers, input) in [1, 2, 3].into_iter().zip(inputs) {
            let recipe = recipe(&[&format!("model.layers={layers}"), &format!("model.input={input}")]);
            let parameters = recipe.model_size(65).parameters();
            assert_eq!(estimate(&recipe, 65).parameters, parameters as u128, "{input}");
        }
    }

    #[test]
    fn a_network_that_no_memory_holds_is_refused_with_the_figures() {
        let huge = estimate(&recipe(&["model.hidden=1000000000", "model.layers=1"]), 65);
        // 4·10⁹·(65 + 10⁹ + 1) + 65·10⁹ + 65.
        assert_eq!(huge.parameters, 4_000_000_329_000_000_065);
        let message = check_against(huge, 8 << 30).unwrap_err().to_string();
        for part in ["4000000329000000065 parameters", "96.0 EB", "8.6 GB", "model.hidden"] {
            assert!(message.contains(part), "{message} should say {part}");
        }
        let small = estimate(&recipe(&["model.hidden=64"]), 65);
        assert!((100_000..100_000_000).contains(&small.bytes), "{small:?}");
        assert_eq!(check_against(small, 8 << 30).unwrap(), small);
    }

    #[test]
    fn linux_says_how_much_memory_is_available() {
        let text =
            "MemTotal:       16000000 kB\nMemFree:          100 kB\nMemAvailable:    8000 kB\nSwapFree:  24 kB\n";
        assert_eq!(parse_memory_information(text), Some(8024 * 1024));
        assert_eq!(parse_memory_information("MemTotal: 1 kB\n"), None);
        #[cfg(target_os = "linux")]
        assert!(available_memory().unwrap() > 1 << 20);
    }
}
