//! Why a run under a time budget takes so many steps, in words.

use trainer::Plan;

use super::{seconds, thousands};

/// What a plan says and why. A step predicts `characters_per_step` characters.
pub fn in_words(plan: &Plan, minutes: f64, characters_per_step: usize) -> String {
    let (budget, step) = (seconds(60.0 * minutes), short(plan.pace.step));
    let more = plan.steps - plan.from;
    if plan.from > 0 && more == 0 {
        return format!(
            "step {}: {budget} are over, because steps take longer than planned: training ends here",
            plan.from
        );
    }
    let every = format!("every {} steps", thousands(plan.evaluation as f64));
    let evaluations = match plan.evaluations() {
        1 => "and an evaluation at the end".to_owned(),
        several => format!("and {several} evaluations, {every}, of {}", short(plan.pace.evaluation)),
    };
    let steps = thousands(more as f64);
    if plan.from > 0 {
        let (from, left) = (plan.from, seconds(60.0 * minutes - plan.elapsed));
        return format!(
            "step {from}: a step takes {step} now, so the {left} that are left of {budget} allow {steps} more steps {evaluations}"
        );
    }
    let characters = thousands((more * characters_per_step) as f64);
    format!("{budget} allow {steps} steps of {step}, which read {characters} characters, {evaluations}")
}

/// A time of less than a second in milliseconds.
fn short(time: f64) -> String {
    match time {
        0.0..0.01 => format!("{:.1} ms", 1000.0 * time),
        0.01..1.0 => format!("{:.0} ms", 1000.0 * time),
        _ => seconds(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainer::Pace;

    #[test]
    fn plans_are_told_with_their_reason() {
        let pace = Pace { step: 0.041, evaluation: 0.5 };
        let plan = |from, steps, evaluation| Plan { from, steps, evaluation, elapsed: 60.0, pace };
        let cases = [
            (
                plan(0, 4_100, 228),
                "3 min 00 s allow 4,100 steps of 41 ms, which read 4,198,400 characters, and 18 evaluations, every 228 steps, of \
                 500 ms",
            ),
            (
                plan(1_000, 3_000, 2_000),
                "step 1000: a step takes 41 ms now, so the 2 min 00 s that are left of 3 min 00 s allow 2,000 more steps and an \
                 evaluation at the end",
            ),
            (
                plan(1_000, 1_000, 1),
                "step 1000: 3 min 00 s are over, because steps take longer than planned: training ends here",
            ),
        ];
        for (plan, words) in cases {
            assert_eq!(in_words(&plan, 3.0, 1_024), words);
        }
        assert_eq!([0.0025, 0.04, 1.5].map(short), ["2.5 ms", "40 ms", "1.5 s"]);
    }
}
