//! Tests of the strategies.

use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn distribution(options: Options, logits: &[f32]) -> Vec<f32> {
    Decoding::new(options).unwrap().distribution(logits).to_vec()
}

#[test]
fn each_option_shapes_the_distribution_as_documented() {
    // Probabilities 0.1, 0.2, 0.3, 0.4 as logits.
    let logits = [0.1_f32, 0.2, 0.3, 0.4].map(f32::ln);
    let plain = Options::default;
    let cases = [
        ("plain", plain(), [0.1, 0.2, 0.3, 0.4]),
        ("sharpened: squares", Options { temperature: 0.5, ..plain() }, [1.0, 4.0, 9.0, 16.0].map(|p| p / 30.0)),
        ("flattened", Options { temperature: 1e30, ..plain() }, [0.25; 4]),
        ("argmax", Options { temperature: 0.0, ..plain() }, [0.0, 0.0, 0.0, 1.0]),
        ("almost argmax", Options { temperature: 1e-38, ..plain() }, [0.0, 0.0, 0.0, 1.0]),
        ("top-k", Options { top_k: Some(2), ..plain() }, [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]),
        ("a large top-k", Options { top_k: Some(99), ..plain() }, [0.1, 0.2, 0.3, 0.4]),
        ("top-p", Options { top_p: Some(0.75), ..plain() }, [0.0, 2.0 / 9.0, 3.0 / 9.0, 4.0 / 9.0]),
        ("a small top-p", Options { top_p: Some(0.01), ..plain() }, [0.0, 0.0, 0.0, 1.0]),
        ("min-p", Options { min_p: Some(0.6), ..plain() }, [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]),
        ("top-p of top-k", Options { top_k: Some(2), top_p: Some(0.5), ..plain() }, [0.0, 0.0, 0.0, 1.0]),
        ("excluded", Options { excluded: vec![3, 77], ..plain() }, [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0, 0.0]),
    ];
    for (name, options, expected) in cases {
        let found = distribution(options, &logits);
        for (probability, expected) in found.iter().zip(expected) {
            assert!((probability - expected).abs() < 1e-5, "{name}: {found:?}");
        }
    }
}

#[test]
fn the_repetition_penalty_applies_to_recent_tokens_only() {
    let options = Options { repetition_penalty: Some(2.0), repetition_window: 2, ..Options::default() };
    let mut decoding = Decoding::new(options).unwrap();
    let logits = [2.0, -1.0, 1.0];
    let odds = |probabilities: &[f32]| [probabilities[0] / probabilities[2], probabilities[1] / probabilities[2]];
    let close = |found: [f32; 2], expected: [f32; 2]| {
        assert!(found.iter().zip(expected).all(|(left, right)| (left.ln() - right).abs() < 1e-5), "{found:?}");
    };
    close(odds(decoding.distribution(&logits)), [1.0, -2.0]);
    decoding.remember(0);
    decoding.remember(1);
    close(odds(decoding.distribution(&logits)), [0.0, -3.0]); // 2 became 1, -1 became -2
    decoding.remember(1);
    close(odds(decoding.distribution(&logits)), [1.0, -3.0]); // token 0 has left the window
    decoding.reset();
    close(odds(decoding.distribution(&logits)), [1.0, -2.0]);
}

#[test]
fn what_was_counted_can_be_taken_over() {
    let options = Options {
        frequency_penalty: Some(1.0),
        repetition_penalty: Some(2.0),
        repetition_window: 3,
        ..Options::default()
    };
    let mut decoding = Decoding::new(options.clone()).unwrap();
    for token in [0, 1, 1, 2, 2] {
        decoding.chosen(token);
    }
    let mut other = Decoding::new(options).unwrap();
    other.chosen(3);
    let (recent, counts) = decoding.counted();
    other.restore(recent, counts);
    assert_eq!((&other.recent, &other.counts), (&decoding.recent, &vec![1, 2, 2]));
    assert_eq!(other.distribution(&[0.5; 4]), decoding.distribution(&[0.5; 4]));
}

#[test]
fn what_is_chosen_here_counts_for_the_frequency_penalty() {
    let options = Options { temperature: 0.0, frequency_penalty: Some(1.0), ..Options::default() };
    let mut decoding = Decoding::new(options).unwrap();
    let chosen: Vec<_> = (0..8).map(|_| decoding.choose(&[2.5, 1.0], &mut Rng::seed(0))).collect();
    // The logits of 0 are 2.5, 1.5, 0.5, those of 1 are 1.0, 0.0 and so on.
    assert_eq!(chosen, [0, 0, 1, 0, 1, 0, 1, 0]);
}

#[test]
fn draws_follow_the_probabilities() {
    let mut decoding = Decoding::new(Options::default()).unwrap();
    let mut rng = Rng::seed(3);
    let mut counts = [0_i32; 4];
    for _ in 0..10_000 {
        counts[decoding.choose(&[0.1_f32, 0.2, 0.3, 0.4].map(f32::ln), &mut rng)] += 1;
    }
    // Four standard deviations of a binomial count of 10,000 are at most 200.
    let expected = [1000, 2000, 3000, 4000];
    assert!(counts.iter().zip(expected).all(|(count, mean)| (count - mean).abs() < 200), "{counts:?}");
}

#[test]
fn each_token_is_drawn_from_its_share_of_the_unit_interval() {
    let probabilities = [0.0, 0.25, 0.0, 0.5, 0.25, 0.0];
    let last = 1.0 - f64::EPSILON / 2.0;
    for (number, token) in [(0.0, 1), (0.249, 1), (0.25, 3), (0.749, 3), (0.75, 4), (last, 4)] {
        assert_eq!(draw(&probabilities, number), Some(token), "{number}");
        // The shares are relative to the sum of all.
        assert_eq!(draw(&probabilities.map(|share| share * 8.0), number), Some(token), "{number}");
    }
    // Rounding may leave something to draw past the last token.
    assert_eq!(draw(&probabilities, 1.0), Some(4));
    assert_eq!(draw(&[0.0; 3], 0.5), None);
}

#[test]
fn a_choice_takes_one_random_number_and_none_at_temperature_0() {
    for (temperature, numbers) in [(1.0, 1), (0.0, 0)] {
        let mut decoding = Decoding::new(Options { temperature, ..Options::default() }).unwrap();
        let (mut rng, mut expected) = (Rng::seed(5), Rng::seed(5));
        decoding.choose(&[0.0, 1.0], &mut rng);
        for _ in 0..numbers {
            expected.bits();
        }
        assert_eq!(rng, expected, "temperature {temperature}");
    }
}

#[test]
fn the_likeliest_of_equals_is_the_first() {
    let options = Options { temperature: 0.0, ..Options::default() };
    assert_eq!(distribution(options, &[1.0, 3.0, 3.0]), [0.0, 1.0, 0.0]);
    // Of equals, those that come first are kept, too.
    let options = Options { top_k: Some(2), ..Options::default() };
    assert_eq!(distribution(options, &[0.0; 4]), [0.5, 0.5, 0.0, 0.0]);
}

#[test]
fn logits_without_a_number_have_no_probability_however_few_are_kept() {
    let keeping = [
        Options { top_k: Some(1), ..Options::default() },
        Options { top_p: Some(0.5), ..Options::default() },
        Options { min_p: Some(0.5), ..Options::default() },
    ];
    for options in keeping {
        assert_eq!(distribution(options.clone(), &[f32::NAN; 3]), [0.0; 3], "{options:?}");
    }
}

#[test]
fn what_is_remembered_is_what_the_penalty_needs() {
    let remembered = |repetition_penalty, repetition_window| {
        let options = Options { repetition_penalty, repetition_window, ..Options::default() };
        let mut decoding = Decoding::new(options).unwrap();
        (0..5).for_each(|token| decoding.remember(token));
        decoding.recent.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(remembered(Some(2.0), 3), [2, 3, 4]);
    for (penalty, window) in [(None, 3), (Some(2.0), 0), (None, 0)] {
        assert_eq!(remembered(penalty, window), [], "{penalty:?} over {window}");
    }
}

#[test]
fn options_are_kept_and_the_temperature_can_change() {
    let options = Options { temperature: 0.5, top_p: Some(0.9), ..Options::default() };
    let mut decoding = Decoding::new(options.clone()).unwrap();
    assert_eq!(decoding.options(), &options);
    decoding.set_temperature(2.0).unwrap();
    assert_eq!(decoding.options(), &Options { temperature: 2.0, ..options });
}

#[test]
fn options_at_the_ends_of_their_ranges_are_accepted() {
    let plain = Options::default;
    let cases = [
        Options { temperature: 0.0, ..plain() },
        Options { temperature: f32::MAX, ..plain() },
        Options { top_k: Some(1), ..plain() },
        Options { top_p: Some(f32::MIN_POSITIVE), ..plain() },
        Options { top_p: Some(1.0), ..plain() },
        Options { min_p: Some(0.0), ..plain() },
        Options { min_p: Some(1.0), ..plain() },
        Options { repetition_penalty: Some(f32::MIN_POSITIVE), ..plain() },
        Options { frequency_penalty: Some(-2.0), ..plain() },
        Options { frequency_penalty: Some(2.0), ..plain() },
    ];
    for options in cases {
        assert!(Decoding::new(options.clone()).is_ok(), "{options:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let choices = |seed| {
        let mut decoding = Decoding::new(Options::default()).unwrap();
        let mut rng = Rng::seed(seed);
        (0..50).map(|_| decoding.choose(&[0.0; 10], &mut rng)).collect::<Vec<_>>()
    };
    assert_eq!(choices(7), choices(7));
    assert_ne!(choices(7), choices(8));
}

#[test]
fn logits_without_a_number_still_give_a_token_that_is_not_excluded() {
    for temperature in [0.0, 1.0] {
        let options = Options { temperature, excluded: vec![0], ..Options::default() };
        let mut decoding = Decoding::new(options).unwrap();
        for logits in [[f32::NAN; 3], [f32::NEG_INFINITY; 3]] {
            assert_eq!(decoding.choose(&logits, &mut Rng::seed(0)), 1, "{logits:?}");
        }
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let plain = Options::default;
    let cases = [
        (Options { temperature: -0.5, ..plain() }, "temperature of -0.5"),
        (Options { temperature: f32::NAN, ..plain() }, "temperature of NaN"),
        (Options { temperature: f32::INFINITY, ..plain() }, "temperature of inf"),
        (Options { top_k: Some(0), ..plain() }, "top-k of 0"),
        (Options { top_p: Some(0.0), ..plain() }, "top-p of 0 "),
        (Options { top_p: Some(1.5), ..plain() }, "top-p of 1.5"),
        (Options { top_p: Some(f32::NAN), ..plain() }, "top-p of NaN"),
        (Options { min_p: Some(-0.1), ..plain() }, "min-p of -0.1"),
        (Options { min_p: Some(f32::NAN), ..plain() }, "min-p of NaN"),
        (Options { repetition_penalty: Some(0.0), ..plain() }, "penalty of 0 "),
        (Options { repetition_penalty: Some(-1.0), ..plain() }, "penalty of -1"),
        (Options { repetition_penalty: Some(f32::INFINITY), ..plain() }, "penalty of inf"),
        (Options { repetition_penalty: Some(f32::NAN), ..plain() }, "penalty of NaN"),
        (Options { frequency_penalty: Some(2.1), ..plain() }, "frequency penalty of 2.1"),
        (Options { frequency_penalty: Some(f32::NAN), ..plain() }, "frequency penalty of NaN"),
    ];
    for (options, part) in cases {
        let message = Decoding::new(options).unwrap_err().to_string();
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
    assert_eq!(Decoding::new(plain()).unwrap().set_temperature(-1.0), Err(Error::Temperature(-1.0)));
}

proptest! {
    #[test]
    fn the_frequency_penalty_is_that_of_its_definition(
        choices in prop::collection::vec(0_usize..5, 0..30),
        prompt in prop::collection::vec(0_usize..5, 0..5),
        logits in prop::array::uniform5(-5.0_f32..5.0),
        penalty in -2.0_f32..=2.0,
    ) {
        let mut decoding =
            Decoding::new(Options { frequency_penalty: Some(penalty), ..Options::default() }).unwrap();
        // A prompt does not count.
        for &token in &prompt { decoding.remember(token); }
        for &token in &choices { decoding.chosen(token); }
        let count = |token| choices.iter().filter(|&&chosen| chosen == token).count() as f64;
        let weight = |token: usize| (f64::from(logits[token]) - f64::from(penalty) * count(token)).exp();
        let total: f64 = (0..5).map(weight).sum();
        for (token, &found) in decoding.distribution(&logits).iter().enumerate() {
            prop_assert!((f64::from(found) - weight(token) / total).abs() < 1e-4, "token {token}: {found}");
        }
        decoding.reset();
        let free = Decoding::new(Options::default()).unwrap().distribution(&logits).to_vec();
        prop_assert_eq!(decoding.distribution(&logits), &free[..]);
    }

    #[test]
    fn any_logits_give_a_distribution_and_a_token_of_it(
        logits in prop::collection::vec(any::<f32>(), 1..20),
        temperature in prop_oneof![Just(0.0_f32), 1e-40_f32..1e10],
        top_k in prop::option::of(1_usize..25),
        top_p in prop::option::of(0.001_f32..=1.0),
        min_p in prop::option::of(0.0_f32..=1.0),
        seed in any::<u64>(),
    ) {
        let mut decoding =
            Decoding::new(Options { temperature, top_k, top_p, min_p, ..Options::default() }).unwrap();
        let probabilities = decoding.distribution(&logits).to_vec();
        let sum: f32 = probabilities.iter().sum();
        let token = decoding.choose(&logits, &mut Rng::seed(seed));
        if logits.iter().any(|logit| *logit > f32::NEG_INFINITY) {
            prop_assert!((sum - 1.0).abs() < 1e-4, "{probabilities:?}");
            prop_assert!(probabilities[token] > 0.0, "{probabilities:?} gave {token}");
        }
    }
}
