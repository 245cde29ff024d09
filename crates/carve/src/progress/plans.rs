//! Why a run under a time budget has its size and takes so many steps, in words.

use trainer::{Fitted, Plan, TriedSize};

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

/// What was chosen for a text and a time budget, and why.
pub fn fitted_in_words(fitted: &Fitted) -> String {
    let size = |size: &TriedSize| format!("{}×{}", size.layers, size.hidden);
    let own = &fitted.size;
    let larger = fitted.larger.as_ref().map_or(String::new(), |larger| {
        format!(
            " ({} would be trained on {:.1}, and {:.1} are needed)",
            size(larger),
            larger.characters_per_parameter,
            fitted.needed
        )
    });
    let dropout = fitted.dropout;
    let between = if own.layers > 1 { format!(", {} between layers", dropout.between) } else { String::new() };
    let recurrent = if dropout.recurrent > 0.0 { format!(", {} recurrent", dropout.recurrent) } else { String::new() };
    format!(
        "fitted to the text and this machine: a network of {}, {} parameters, which reads about {} characters in that time, {:.1} \
         for each parameter{larger}; that makes {:.1} passes over the text, so dropout is {} before the output{between}{recurrent}",
        size(own),
        thousands(own.parameters as f64),
        thousands(fitted.characters),
        own.characters_per_parameter,
        fitted.passes,
        dropout.output,
    )
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
    use trainer::recipe::DropoutSettings;

    #[test]
    fn a_choice_is_told_with_its_reason() {
        let size = |hidden, parameters, characters_per_parameter| TriedSize {
            layers: 2,
            hidden,
            parameters,
            characters_per_parameter,
        };
        let fitted = Fitted {
            size: size(288, 1_091_297, 4.1),
            batch: 16,
            time: 64,
            learning_rate: 0.009,
            dropout: DropoutSettings { between: 0.2, output: 0.4, ..DropoutSettings::default() },
            characters: 4_474_317.7,
            passes: 4.46,
            risk: 4.85,
            needed: 2.5,
            larger: Some(size(448, 2_557_697, 0.75)),
        };
        assert_eq!(
            fitted_in_words(&fitted),
            "fitted to the text and this machine: a network of 2×288, 1,091,297 parameters, which reads about 4,474,318 characters \
             in that time, 4.1 for each parameter (2×448 would be trained on 0.8, and 2.5 are needed); that makes 4.5 passes over \
             the text, so dropout is 0.4 before the output, 0.2 between layers"
        );
    }

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
