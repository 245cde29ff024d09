use super::definition::EMBEDDED;
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
        (&["epochs=0"], "epochs is 0, and has to be from 1 to 1000000000"),
        (&["epochs=1000000001"], "epochs is 1000000001"),
        (&["batch=-1"], "expected a whole number, at least 0"),
        (&["samples.temperatures=[0.5, -1]"], "samples.temperatures is -1"),
        (&["samples.temperatures=[nan]"], "samples.temperatures is NaN"),
        (&["samples.temperatures=1"], "expected a list"),
        (&["evaluation.patience=10000000000"], "evaluation.patience is 10000000000"),
        (&["records.steps=1e3"], "expected a whole number"),
        (&["optimizer.learning_rate=fast"], "expected a number"),
        (&["model.hidden=2000000000"], "model.hidden is 2000000000"),
        (&["clipping.norm=inf"], "clipping.norm is inf"),
        (&["model=3"], "expected a table of fields"),
        (&["streams.time=5", "windows.length=3"], "cut in one way"),
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

#[test]
fn only_a_close_name_is_proposed() {
    let refused = |assignment: &str| Recipe::with_overrides("lecture", &[assignment.into()]).unwrap_err().to_string();
    assert!(refused("batches=1").contains("did you mean `batch`?"));
    let message = refused("colour=3");
    assert!(message.contains("unknown field `colour`") && !message.contains("did you mean"), "{message}");
    let message = Recipe::named("lectur").unwrap_err().to_string();
    assert!(message.contains("did you mean \"lecture\"?"), "{message}");
    let message = Recipe::named("gpt").unwrap_err().to_string();
    assert!(message.contains("modern") && !message.contains("did you mean"), "{message}");
}

#[test]
fn the_order_of_assignments_does_not_matter() {
    let recipe = |assignments: &[&str]| {
        let assignments: Vec<String> = assignments.iter().map(ToString::to_string).collect();
        Recipe::with_overrides("lecture", &assignments).unwrap()
    };
    let [kind, rate] = ["optimizer.kind=adam", "optimizer.learning_rate=0.125"];
    assert_eq!(recipe(&[kind, rate]), recipe(&[rate, kind]));
    assert_eq!(recipe(&[rate, kind]).optimizer.learning_rate().to_bits(), 0.125_f64.to_bits());
    // The kind that it has already changes nothing.
    assert_eq!(recipe(&["optimizer.kind=rmsprop"]), recipe(&[]));
    assert_eq!(recipe(&["batch=3", "batch=4"]).batch, 4, "of the same field the last one counts");
}

#[test]
fn a_request_names_epochs_or_minutes() {
    let request = Request { epochs: Some(3), ..Request::default() };
    let recipe = request.resolve().unwrap();
    assert_eq!((recipe.name.as_str(), recipe.epochs, recipe.minutes), ("modern", 3, 0.0));
    let both = Request { minutes: Some(1.0), ..request };
    assert!(both.resolve().unwrap_err().to_string().contains("choose one"));
    let budget = Request { minutes: Some(0.1), sample_length: Some(5), ..Request::default() };
    let recipe = budget.resolve().unwrap();
    assert_eq!((recipe.minutes, recipe.samples.length), (0.1, 5));
    assert_eq!(recipe.model.hidden, 128, "the fit for a few seconds");
    for minutes in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Request { minutes: Some(minutes), ..Request::default() }.resolve().is_err(), "{minutes}");
    }
}

#[test]
fn a_resumed_run_is_compared_with_what_is_named() {
    let begun = Request {
        minutes: Some(30.0),
        overrides: ["batch=32", "dropout.output=0.3", "model.precision=fastest"].map(Into::into).into(),
        ..Request::default()
    };
    let mut recipe = begun.resolve().unwrap();
    recipe.model.precision = Precision::Float32;
    let resume = |request: Request| request.resume(&recipe).unwrap();
    let set = |assignment: &str| Request { overrides: vec![assignment.into()], ..Request::default() };

    let same = [
        Request::default(),
        begun.clone(),
        Request { recipe: Some("modern".into()), ..Request::default() },
        Request { minutes: Some(30.0), ..Request::default() },
        set("batch=32"),
        set("dropout.output=0.3"),
        set("optimizer.kind=adamw"),
        set("model.precision=fastest"),
    ];
    for request in same {
        assert_eq!(resume(request.clone()), Ok(recipe.clone()), "{request:?}");
    }
    let silent = resume(Request { sample_length: Some(0), ..set("samples.every=3") }).unwrap();
    assert_eq!((silent.samples.length, silent.samples.every), (0, 3));
    assert_eq!(Recipe { samples: recipe.samples.clone(), ..silent }, recipe);

    let different = [
        (Request { recipe: Some("lecture".into()), ..Request::default() }, ["recipe", "modern", "lecture"]),
        (Request { epochs: Some(3), ..Request::default() }, ["epochs", "10", "3"]),
        (Request { minutes: Some(0.25), ..Request::default() }, ["minutes", "30", "0.25"]),
        (set("batch=16"), ["batch", "32", "16"]),
        (set("dropout.output=0.5"), ["dropout.output", "0.3", "0.5"]),
        (set("model.precision=bfloat16"), ["model.precision", "float32", "bfloat16"]),
    ];
    for (request, expected) in different {
        let Difference { field, begun, asked, .. } = resume(request).unwrap_err();
        assert_eq!([field, begun, asked], expected);
    }
    assert!(Request { recipe: Some("nope".into()), ..Request::default() }.resume(&recipe).is_err());
    assert!(set("batch=0").resume(&recipe).is_err());
}
