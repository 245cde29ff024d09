//! An axis: from values to places and back to round numbers.

/// What an axis shows.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// What is measured, and the unit.
    pub name: &'static str,
    /// Whether equal steps are equal factors.
    pub is_logarithmic: bool,
    /// Whether the highest values are cut off, so that the others can be told apart: those of the start of a training.
    pub is_cut: bool,
}

/// An axis with its range.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    is_logarithmic: bool,
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

/// The share of values that a cut axis shows.
const SHOWN: f64 = 0.95;

impl Scale {
    /// An axis that holds these values, from the coordinate `start` to `end`; `None` if there are no values.
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>, start: f64, end: f64) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (from, highest) = (*values.first()?, *values.last()?);
        let to = if axis.is_cut { values[((values.len() - 1) as f64 * SHOWN) as usize] } else { highest };
        let is_logarithmic = axis.is_logarithmic && from > 0.0;
        let (mut scale, span) = (Self { is_logarithmic, from, to, start, end }, to - from);
        if is_logarithmic {
            if to <= from {
                (scale.from, scale.to) = (from / 2.0, from * 2.0);
            }
        } else if span <= 0.0 {
            let room = if from == 0.0 { 1.0 } else { from.abs() / 10.0 };
            (scale.from, scale.to) = (from - room, from + room);
        } else if start > end {
            // A vertical axis has some room below and above.
            (scale.from, scale.to) = (from - span / 25.0, to + span / 25.0);
            if from >= 0.0 {
                scale.from = scale.from.max(0.0);
            }
        }
        Some(scale)
    }

    /// The coordinate of a value. A value outside the range is at the edge.
    pub fn place(&self, value: f64) -> f64 {
        let along = |value: f64| if self.is_logarithmic { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let share = (along(value) - along(self.from)) / (along(self.to) - along(self.from));
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// Whether a value is on the axis.
    pub fn holds(&self, value: f64) -> bool {
        (self.from..=self.to).contains(&value)
    }

    /// Round numbers on the axis, four to eight of them.
    pub fn ticks(&self) -> Vec<f64> {
        let inside = |tick: &f64| (self.from * (1.0 - 1e-9)..=self.to * (1.0 + 1e-9)).contains(tick);
        if self.is_logarithmic {
            let decades = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
            let with = |factors: &'static [f64]| -> Vec<f64> {
                let tick = |decade: i32| factors.iter().map(move |factor| factor * 10_f64.powi(decade));
                decades.clone().flat_map(tick).filter(inside).collect()
            };
            let candidates = [with(&[1.0]), with(&[1.0, 3.0]), with(&[1.0, 2.0, 5.0])];
            if let Some(ticks) = candidates.into_iter().find(|ticks| ticks.len() >= 4) {
                return ticks;
            }
        }
        let rough = (self.to - self.from) / 5.0;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.from / step - 1e-9).ceil() as i64;
        let last = (self.to / step + 1e-9).floor() as i64;
        (first..=last).map(|number| number as f64 * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(values: &[f64], is_logarithmic: bool) -> Vec<f64> {
        let axis = Axis { name: "", is_logarithmic, is_cut: false };
        let ticks = Scale::new(&axis, values.iter().copied(), 0.0, 100.0).unwrap().ticks();
        ticks.iter().map(|tick| (tick * 1e6).round() / 1e6).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(ticks(&[0.0, 100.0], false), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(&[1.38, 1.92], false), [1.4, 1.6, 1.8]);
        assert_eq!(ticks(&[1.0, 3000.0], true), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(&[10.0, 450.0], true), [10.0, 30.0, 100.0, 300.0]);
        assert!(ticks(&[5.0], false).contains(&5.0));
        assert!(!ticks(&[5.0], true).is_empty() && !ticks(&[0.0, 0.0], true).is_empty());
    }

    #[test]
    fn a_cut_axis_leaves_out_the_start_of_a_training() {
        let losses = (0..100).map(|number| if number < 3 { 4.0 } else { 1.5 - f64::from(number) / 1000.0 });
        let axis = Axis { name: "", is_logarithmic: false, is_cut: true };
        let scale = Scale::new(&axis, losses, 100.0, 0.0).unwrap();
        assert!(scale.to < 1.6 && scale.place(4.0) == 0.0, "{scale:?}");
    }
}
