//! A time budget as steps. A plan says how many steps fit into the budget on this machine. From then on the run is bounded
//! by steps, so that nothing in it depends on the clock: a run with the same plans is the same run.
//!
//! A machine that turns out to be much slower or faster gets a new plan. Each plan is recorded with the step from which on
//! it holds, in the run's `config.json` (the first one) and in every checkpoint (all so far).

use serde::{Deserialize, Serialize};

/// Evaluations in a run, unless the recipe says how many steps are between them.
const EVALUATIONS: f64 = 40.0;

/// Seconds of steps for each second of an evaluation with its checkpoint, at least.
const STEPS_PER_EVALUATION: f64 = 20.0;

/// A new plan is made if the run would end before or after these shares of its budget.
const MARGIN: std::ops::RangeInclusive<f64> = 0.8..=1.2;

/// A run ends when it has taken this many times its budget, whatever its plan says.
const LIMIT: f64 = 1.25;

/// How many steps a run takes, and when it is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Optimizer steps after which the plan holds; 0 for the first plan of a run.
    pub from: usize,
    /// Optimizer steps of the whole run. If this is `from`, the run ends there.
    pub steps: usize,
    /// Steps from one evaluation to the next, counted from `from`, at least 1. There is always one at the end.
    pub evaluation: usize,
    /// Seconds that the run had taken when the plan was made.
    pub elapsed: f64,
    /// What the plan was made from.
    pub pace: Pace,
}

/// How fast this machine trains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Seconds of an optimizer step.
    pub step: f64,
    /// Seconds of an evaluation and its checkpoint.
    pub evaluation: f64,
}

impl Plan {
    /// The plan of a run of `budget` seconds that has taken `from` steps in `elapsed` seconds. `every` is the number of steps
    /// between two evaluations; 0 leaves it to the plan. If the time is over, or too short for a step, the plan ends at
    /// `from`.
    pub fn new(budget: f64, from: usize, elapsed: f64, pace: Pace, every: usize) -> Self {
        let left = (budget - elapsed).max(0.0);
        let (step, evaluation) = (pace.step.max(1e-9), pace.evaluation);
        let (more, every) = if every > 0 {
            let last = evaluation.min(left / 2.0);
            (((left - last) / (step + evaluation / every as f64)) as usize, every)
        } else {
            let interval = (budget / EVALUATIONS).max(STEPS_PER_EVALUATION * evaluation);
            let evaluations = (left / interval).floor().max(1.0);
            // A budget that is shorter than two evaluations is trained in for its half.
            let more = ((left - evaluations * evaluation).max(left / 2.0) / step) as usize;
            (more, more.div_ceil(evaluations as usize).max(1))
        };
        Self { from, steps: from + more, evaluation: every, elapsed, pace }
    }

    /// Evaluations from `from` on, the last one included.
    pub fn evaluations(&self) -> usize {
        (self.steps - self.from).div_ceil(self.evaluation)
    }

    /// Seconds that a run will have taken at its end if it goes on from `step` at this pace.
    fn end(&self, step: usize, elapsed: f64, pace: Pace) -> f64 {
        let left = self.steps.saturating_sub(step);
        elapsed + left as f64 * pace.step + left.div_ceil(self.evaluation) as f64 * pace.evaluation
    }
}

/// The plans of a run, in the order in which they hold. Empty for a run without a time budget, and for one of earlier
/// versions, which looks at the clock.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plans(Vec<Plan>);

impl Plans {
    /// The one plan that a run starts with.
    pub fn first(plan: Plan) -> Self {
        Self(vec![plan])
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn all(&self) -> &[Plan] {
        &self.0
    }

    /// The plan that holds for what comes after a number of steps.
    pub fn at(&self, step: usize) -> Option<&Plan> {
        self.0.iter().rev().find(|plan| plan.from <= step)
    }

    /// The run's plans with one more, which holds from now on.
    pub fn push(&mut self, plan: Plan) {
        self.0.push(plan);
    }

    /// Whether nothing is left to do after a number of steps.
    pub fn finished(&self, step: usize) -> bool {
        self.at(step).is_some_and(|plan| step >= plan.steps)
    }

    /// Share of the training that is done after a number of steps, from 0 to 1. A new plan takes over the share that the
    /// one before has reached, and spreads the rest evenly over its own steps: the learning rate makes no jump, and its
    /// schedule still ends with the run.
    pub fn done(&self, step: usize) -> f64 {
        if self.finished(step) {
            return 1.0;
        }
        let starts = self.0.iter().skip(1).map(|plan| plan.from).chain([usize::MAX]);
        let mut done = 0.0;
        for (plan, next) in self.0.iter().zip(starts).take_while(|(plan, _)| plan.from <= step) {
            let taken = (step.min(next) - plan.from) as f64;
            done += (1.0 - done) * taken / (plan.steps - plan.from).max(1) as f64;
        }
        done
    }

    /// Whether an evaluation follows on a step, by the plan that it was taken under. The end of a run is one besides.
    pub fn evaluates_after(&self, step: usize) -> bool {
        let plan = step.checked_sub(1).and_then(|before| self.at(before));
        plan.is_some_and(|plan| (step - plan.from).is_multiple_of(plan.evaluation))
    }

    /// Evaluations up to a step, not counting the one at the end.
    pub fn evaluations(&self, step: usize) -> usize {
        let starts = self.0.iter().skip(1).map(|plan| plan.from).chain([usize::MAX]);
        let plans = self.0.iter().zip(starts).take_while(|(plan, _)| plan.from <= step);
        plans.map(|(plan, next)| (step.min(next) - plan.from) / plan.evaluation).sum()
    }

    /// Checks plans that were read from a file.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let sound = |plan: &Plan| plan.steps >= plan.from && plan.evaluation > 0;
        let starts = self.0.first().is_none_or(|plan| plan.from == 0);
        if starts && self.0.iter().all(sound) && self.0.is_sorted_by_key(|plan| plan.from) {
            Ok(())
        } else {
            Err("plans: they have to start at step 0, follow each other, and evaluate at least every so many steps"
                .into())
        }
    }
}

/// Watches whether a run under a time budget will end in time, and makes a new plan if it will not.
#[derive(Debug)]
pub struct Revision {
    /// The budget in seconds.
    budget: f64,
    /// Steps between two evaluations as the recipe has them; 0 leaves it to the plan.
    every: usize,
    /// The last evaluation with its checkpoint, in seconds; `None` before the first one.
    evaluation: Option<f64>,
    /// Steps since the last look.
    steps: usize,
    /// Seconds that the run had taken at the last look, and those of evaluations since then.
    since: f64,
    /// Steps and seconds of the look before, if by it the run would not have ended in time.
    before: Option<(usize, f64)>,
}

impl Revision {
    /// For a budget in seconds, from when a run has taken `elapsed` seconds.
    pub fn new(budget: f64, every: usize, elapsed: f64) -> Self {
        Self { budget, every, evaluation: None, steps: 0, since: elapsed, before: None }
    }

    /// Takes note of what an evaluation and its checkpoint took.
    pub fn evaluated(&mut self, seconds: f64) {
        self.evaluation = Some(seconds);
        self.since += seconds;
    }

    /// Takes note of a step, and returns a new plan if one is needed from here on. A look is taken after every twentieth of
    /// the budget. It takes two in a row to make a new plan, so that a short disturbance makes none. Whatever passes
    /// between two steps counts, but for evaluations.
    pub fn after(&mut self, plans: &Plans, step: usize, elapsed: f64) -> Option<Plan> {
        let plan = plans.at(step).filter(|plan| step < plan.steps)?;
        self.steps += 1;
        let window = (self.steps, elapsed - self.since);
        let pace = |(steps, seconds): (usize, f64)| {
            let evaluation = self.evaluation.unwrap_or(plan.pace.evaluation);
            Pace { step: seconds / steps.max(1) as f64, evaluation }
        };
        if elapsed >= LIMIT * self.budget {
            return Some(Plan { from: step, steps: step, evaluation: 1, elapsed, pace: pace(window) });
        }
        if window.1 < self.budget / 20.0 {
            return None;
        }
        (self.steps, self.since) = (0, elapsed);
        if MARGIN.contains(&(plan.end(step, elapsed, pace(window)) / self.budget)) {
            self.before = None;
            return None;
        }
        let before = self.before.replace(window)?;
        let pace = pace((window.0 + before.0, window.1 + before.1));
        if MARGIN.contains(&(plan.end(step, elapsed, pace) / self.budget)) {
            // One was too slow and the other too fast.
            return None;
        }
        self.before = None;
        Some(Plan::new(self.budget, step, elapsed, pace, self.every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { step: 0.04, evaluation: 0.5 };

    fn plan(from: usize, steps: usize, evaluation: usize) -> Plan {
        Plan { from, steps, evaluation, elapsed: 0.0, pace: PACE }
    }

    #[test]
    fn a_plan_fills_its_budget() {
        // Budget, seconds before, pace, evaluations of the recipe: steps and steps between two evaluations.
        let cases = [
            // 180 s in 18 intervals of 10 s, which is twenty evaluations of 0.5 s: 180 − 18·0.5 = 171 s of 0.04 s.
            (180.0, 0.0, PACE, 0, (4275, 238)),
            // Half of it is left.
            (180.0, 90.0, PACE, 0, (2137, 238)),
            // Evaluations that take no time: 40 of them.
            (4.0, 0.0, Pace { step: 0.01, evaluation: 0.0 }, 0, (400, 10)),
            // An evaluation takes longer than the budget.
            (4.0, 0.0, Pace { step: 0.1, evaluation: 60.0 }, 0, (20, 20)),
            // The recipe asks for an evaluation every 10 steps: (180 − 0.5) / (0.04 + 0.05).
            (180.0, 0.0, PACE, 10, (1994, 10)),
            // No step fits.
            (0.03, 0.0, PACE, 0, (0, 1)),
            (180.0, 190.0, PACE, 0, (0, 1)),
        ];
        for (place, (budget, elapsed, pace, every, expected)) in cases.into_iter().enumerate() {
            let plan = Plan::new(budget, 7, elapsed, pace, every);
            assert_eq!((plan.steps - 7, plan.evaluation), expected, "case {place}");
            assert!(plan.end(7, elapsed, pace) <= budget * 1.0001 || pace.evaluation > 1.0 || elapsed > budget);
        }
    }

    #[test]
    fn a_new_plan_makes_no_jump_and_ends_with_its_steps() {
        // 0.3 are done after 30 steps; the other 0.7 take 20 steps from there on.
        let plans = Plans(vec![plan(0, 100, 10), plan(30, 50, 5), plan(45, 45, 1)]);
        for (step, expected) in [(0, 0.0), (15, 0.15), (30, 0.3), (40, 0.65), (44, 0.79), (45, 1.0)] {
            assert!((plans.done(step) - expected).abs() < 1e-12, "{step}: {}", plans.done(step));
            assert_eq!(plans.finished(step), step >= 45);
        }
        let evaluated: Vec<usize> = (1..=45).filter(|step| plans.evaluates_after(*step)).collect();
        assert_eq!(evaluated, [10, 20, 30, 35, 40, 45]);
        assert_eq!([0, 9, 10, 30, 34, 40].map(|step| plans.evaluations(step)), [0, 0, 1, 3, 3, 5]);
        // What is known of a run before its second plan is the same as if there were none.
        assert_eq!(plans.done(30).to_bits(), Plans(vec![plan(0, 100, 10)]).done(30).to_bits());
    }

    #[test]
    fn plans_that_do_not_follow_each_other_are_refused() {
        let sound = Plans(vec![plan(0, 100, 10), plan(30, 50, 5)]);
        assert!(sound.validate().is_ok() && Plans::default().validate().is_ok());
        for wrong in [vec![plan(1, 9, 1)], vec![plan(0, 9, 0)], vec![plan(0, 9, 1), plan(7, 6, 1)]] {
            assert!(Plans(wrong.clone()).validate().is_err(), "{wrong:?}");
        }
    }

    /// The new plans of a run of 100 s, planned at 0.1 s a step, whose steps take `seconds`.
    fn revised(seconds: impl Fn(usize) -> f64) -> (Plans, usize, f64) {
        let mut plans = Plans::first(Plan::new(100.0, 0, 0.0, Pace { step: 0.1, evaluation: 0.0 }, 0));
        let (mut revision, mut step, mut elapsed) = (Revision::new(100.0, 0, 0.0), 0, 0.0);
        while !plans.finished(step) {
            step += 1;
            elapsed += seconds(step);
            if let Some(plan) = revision.after(&plans, step, elapsed) {
                plans.push(plan);
            }
        }
        (plans, step, elapsed)
    }

    #[test]
    fn a_machine_that_changes_its_pace_gets_a_new_plan_and_ends_in_time() {
        // The case, the seconds of each step, and how many plans there are in the end.
        type StepAt = fn(usize) -> f64;
        let cases: [(&str, StepAt, usize); 6] = [
            ("as planned", |_| 0.1, 1),
            ("within the margin", |_| 0.115, 1),
            ("twice as slow", |_| 0.2, 2),
            ("twice as fast", |_| 0.05, 2),
            ("slow from the middle on", |step| if step < 500 { 0.1 } else { 0.25 }, 2),
            ("one pause of eight seconds", |step| if step == 300 { 8.0 } else { 0.1 }, 1),
        ];
        for (what, seconds, expected) in cases {
            let (plans, step, elapsed) = revised(seconds);
            assert_eq!(plans.all().len(), expected, "{what}: {plans:?}");
            assert!((80.0..=120.0).contains(&elapsed), "{what}: {elapsed} s of 100");
            assert_eq!(plans.all().last().unwrap().steps, step, "{what}");
            plans.validate().unwrap();
        }
        // Ever slower: it ends soon after 1.25 times its budget, whatever was planned.
        let (plans, step, elapsed) = revised(|step| if step < 900 { 0.1 } else { 20.0 });
        let last = plans.all().last().unwrap();
        assert!((125.0..150.0).contains(&elapsed) || elapsed <= 120.0, "{elapsed}");
        assert_eq!(last.steps, step);
    }
}
