//! How often gates are nearly shut or open, as Karpathy, Johnson and Fei-Fei (2015) plot it in section 4.2.

use crate::data::{GateShare, GateStatistics};

/// Below this a gate is nearly shut.
const SHUT: f32 = 0.1;

/// Above this it is nearly open.
const OPEN: f32 = 0.9;

/// Counts for the gates of one layer.
#[derive(Debug)]
pub struct GateCounts {
    tokens: u32,
    /// Tokens at which each gate is nearly shut, and nearly open, (4H) each.
    shut: Vec<u32>,
    open: Vec<u32>,
}

impl GateCounts {
    /// No tokens yet, for a layer of `hidden` cells.
    pub fn new(hidden: usize) -> Self {
        Self { tokens: 0, shut: vec![0; 4 * hidden], open: vec![0; 4 * hidden] }
    }

    /// Counts the gates at one token, (4H).
    pub fn add(&mut self, gates: &[f32]) {
        self.tokens += 1;
        for ((gate, shut), open) in gates.iter().zip(&mut self.shut).zip(&mut self.open) {
            *shut += u32::from(*gate < SHUT);
            *open += u32::from(*gate > OPEN);
        }
    }

    /// The shares of all tokens.
    pub fn shares(&self) -> GateStatistics {
        let hidden = self.shut.len() / 4;
        let of = |gate: usize| {
            let share = |count: u32| (f64::from(count) / f64::from(self.tokens.max(1))) as f32;
            let units = gate * hidden..(gate + 1) * hidden;
            let counts = self.shut[units.clone()].iter().zip(&self.open[units]);
            counts.map(|(&shut, &open)| GateShare { shut: share(shut), open: share(open) }).collect()
        };
        GateStatistics { input: of(0), forget: of(1), output: of(3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_tokens() {
        let mut counts = GateCounts::new(1);
        // Input, forget, candidate (which is no gate), output.
        for gates in [[0.05, 0.95, 0.0, 0.5], [0.95, 0.95, 0.0, 0.1], [0.5, 0.95, 0.0, 0.9], [0.05, 0.05, 0.0, 0.91]] {
            counts.add(&gates);
        }
        let GateStatistics { input, forget, output } = counts.shares();
        assert_eq!(input, [GateShare { shut: 0.5, open: 0.25 }]);
        assert_eq!(forget, [GateShare { shut: 0.25, open: 0.75 }]);
        assert_eq!(output, [GateShare { shut: 0.0, open: 0.25 }], "a gate at the edge is in between");
    }
}
