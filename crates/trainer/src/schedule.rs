//! The learning rate from step to step.

use serde::{Deserialize, Serialize};

use crate::recipe::ScheduleSettings;

/// How far a training is.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    /// Epochs done.
    pub epochs: usize,
    /// Share of the whole training that is done, by steps or by the clock, from 0 to 1.
    pub done: f64,
}

/// What the schedule has learned from the evaluations so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// The lowest loss: the one that decides what is the best checkpoint.
    best: Option<f64>,
    /// Evaluations since then, or since the last cut.
    waited: usize,
    /// What the learning rate has been multiplied by.
    factor: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { best: None, waited: 0, factor: 1.0 }
    }
}

impl Plateau {
    /// Takes note of an evaluation.
    pub fn observe(&mut self, settings: ScheduleSettings, loss: f64) {
        let ScheduleSettings::Plateau { patience, factor } = settings else { return };
        if self.best.is_none_or(|best| loss < best) {
            (self.best, self.waited) = (Some(loss), 0);
        } else {
            self.waited += 1;
            if self.waited > patience {
                (self.factor, self.waited) = (self.factor * factor, 0);
            }
        }
    }
}

/// What the recipe's learning rate is multiplied by at a position.
pub fn factor(settings: ScheduleSettings, position: Position, plateau: Plateau) -> f64 {
    match settings {
        ScheduleSettings::Constant => 1.0,
        ScheduleSettings::Step { after, every, factor } => {
            let cuts = if position.epochs < after { 0 } else { (position.epochs - after) / every + 1 };
            factor.powi(i32::try_from(cuts).unwrap_or(i32::MAX))
        }
        ScheduleSettings::Cosine { warmup, floor } => {
            if position.done < warmup {
                return position.done / warmup;
            }
            let way = ((position.done - warmup) / (1.0 - warmup)).clamp(0.0, 1.0);
            floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * way).cos())
        }
        ScheduleSettings::Plateau { .. } => plateau.factor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(settings: ScheduleSettings, epochs: usize, done: f64) -> f64 {
        factor(settings, Position { epochs, done }, Plateau::default())
    }

    #[test]
    fn each_schedule_takes_its_course() {
        let step = ScheduleSettings::Step { after: 10, every: 2, factor: 0.5 };
        let cosine = ScheduleSettings::Cosine { warmup: 0.1, floor: 0.2 };
        let cases = [
            (at(ScheduleSettings::Constant, 99, 1.0), 1.0),
            (at(step, 0, 0.0), 1.0),
            (at(step, 9, 0.5), 1.0),
            (at(step, 10, 0.5), 0.5),
            (at(step, 11, 0.5), 0.5),
            (at(step, 12, 0.5), 0.25),
            (at(cosine, 0, 0.0), 0.0),
            (at(cosine, 0, 0.05), 0.5),
            (at(cosine, 0, 0.1), 1.0),
            (at(cosine, 0, 0.55), 0.6),
            (at(cosine, 0, 1.0), 0.2),
            (at(cosine, 0, 1.5), 0.2),
        ];
        for (place, (found, expected)) in cases.into_iter().enumerate() {
            assert!((found - expected).abs() < 1e-12, "case {place}: {found} should be {expected}");
        }
    }

    #[test]
    fn a_plateau_cuts_after_its_patience() {
        let settings = ScheduleSettings::Plateau { patience: 1, factor: 0.5 };
        let mut plateau = Plateau::default();
        let factors: Vec<f64> = [3.0, 2.0, 2.5, 2.5, 2.5, 1.0, 1.5, 1.0]
            .into_iter()
            .map(|loss| {
                plateau.observe(settings, loss);
                factor(settings, Position { epochs: 0, done: 0.0 }, plateau)
            })
            .collect();
        assert_eq!(factors, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]);
    }
}
