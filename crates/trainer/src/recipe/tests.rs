use super::*;

#[test]
fn the_lecture_is_the_lecture() {
    let recipe = Recipe::named("lecture").unwrap();
    // Keras' summary of the lecture's model on its 60 characters.
    assert_eq!(recipe.model_size(60).parameters(), 104_508);
    assert_eq!((recipe.epochs, recipe.batch), (60, 128));
    assert_eq!(recipe.cut(), Cut::Windows(WindowSettings { length: 40, step: 3 }));
}

#[test]
fn every_embedded_recipe_reads_and_answers_to_its_name() {
    for ((name, _), recipe) in EMBEDDED.iter().zip(Recipe::all().unwrap()) {
        assert_eq!(*name, recipe.name);
        let text = toml::to_string(&recipe).unwrap();
        assert_eq!(Recipe::from_toml(name, &text, &[]).unwrap(), recipe, "a printed recipe reads back");
    }
}

#[test]
fn fields_are_replaced_one_by_one() {
    let recipe = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        Recipe::with_overrides("char-rnn", &overrides).unwrap()
    };
    assert_eq!(recipe(&["model.hidden=7"]).model.hidden, 7);
    assert_eq!(recipe(&["clipping.norm=5"]).clipping.norm.to_bits(), 5f64.to_bits());
    assert_eq!(recipe(&["average.decay=0.5"]).average, Some(AverageSettings { decay: 0.5 }));
    assert_eq!(recipe(&["samples.temperatures=[0.1]"]).samples.temperatures, [0.1]);
    let other = recipe(&["schedule.kind=cosine", "schedule.warmup=0.1"]);
    assert_eq!(other.schedule, ScheduleSettings::Cosine { warmup: 0.1, floor: 0.0 });
    let windows = recipe(&["windows.length=40", "windows.step=3"]);
    assert_eq!(windows.cut(), Cut::Windows(WindowSettings { length: 40, step: 3 }));
}

#[test]
fn a_recipe_fits_itself_to_the_time() {
    let modern = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        Recipe::with_overrides("modern", &overrides).unwrap()
    };
    let sizes = ["minutes=0.05", "minutes=0.7", "minutes=3", "minutes=30"].map(|minutes| {
        let recipe = modern(&[minutes]);
        recipe.model_size(65).parameters()
    });
    assert!(sizes.is_sorted() && sizes[0] < sizes[3], "more time, larger networks: {sizes:?}");
    assert_eq!(modern(&["minutes=30", "model.hidden=7"]).model.hidden, 7, "what is set, stays");
    assert_eq!(modern(&["minutes=0"]), Recipe { minutes: 0.0, ..modern(&[]) }, "no time, no other fit");
}

#[test]
fn fits_cover_a_range_and_replace_single_fields() {
    let text = EMBEDDED.iter().find(|(name, _)| *name == "char-rnn").unwrap().1;
    let text = format!("{text}\n[[fit]]\nminutes = [1, 2]\nbatch = 3\nmodel = {{ hidden = 5 }}\n");
    let hidden = |minutes: &str| {
        let recipe = Recipe::from_toml("test", &text, &[format!("minutes={minutes}")]).unwrap();
        (recipe.batch, recipe.model.hidden, recipe.model.layers)
    };
    assert_eq!([hidden("1"), hidden("1.9")], [(3, 5, 2); 2]);
    assert_eq!([hidden("0.9"), hidden("2")], [(50, 128, 2); 2]);
    let error = Recipe::from_toml("test", "[[fit]]\nbatch = 3\n", &[]).unwrap_err().to_string();
    assert!(error.contains("fit: ") && error.contains("minutes"), "{error}");
}

#[test]
fn wrong_fields_are_refused_by_name_and_with_the_nearest() {
    let cases: &[(&[&str], &str)] = &[
        (&["batch=0"], "batch is 0"),
        (&["batch=many"], "batch: invalid type"),
        (&["batches=1"], "did you mean `batch`?"),
        (&["model.hiden=1"], "did you mean `hidden`?"),
        (&["optimizer.learning_rte=1.0"], "did you mean `learning_rate`?"),
        (&["optimizer.learning_rate=-1.0"], "optimizer.learning_rate is -1"),
        (&["optimizer.decay=1.5"], "optimizer.decay is 1.5"),
        (&["optimizer.kind=guess"], "unknown variant `guess`"),
        (&["model.precision=float64"], "did you mean `float32`?"),
        (&["dropout.output=1"], "dropout.output is 1"),
        (&["schedule.kind=step"], "missing field"),
        (&["average.decay=1"], "average.decay is 1"),
        (&["checkpoints.keep=0"], "checkpoints.keep is 0"),
        (&["minutes=-1"], "minutes is -1"),
        (&["batch"], "write FIELD=VALUE"),
        (&["batch.size=3"], "batch is a value"),
    ];
    for (overrides, part) in cases {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let error = Recipe::with_overrides("lecture", &overrides).unwrap_err();
        assert!(error.to_string().contains(part), "{error} should say {part:?}");
    }
    let error = Recipe::named("lectur").unwrap_err().to_string();
    assert!(error.contains("lecture"), "{error}");
}

#[test]
fn a_text_is_cut_in_one_way() {
    let lecture = EMBEDDED.iter().find(|(name, _)| *name == "lecture").unwrap().1;
    let both = format!("{lecture}\n[streams]\ntime = 5\n");
    let neither = lecture.replace("[windows]\nlength = 40\nstep = 3\n", "");
    for (text, part) in [(both, "in one way"), (neither, "neither")] {
        let error = Recipe::from_toml("test", &text, &[]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
