//! Graphs that the engine does not run, files that are hostile, and inputs that do not fit.

mod common;

use common::{Character, Table, compile, constant, field, file, integer, integers, node};
use lstm_engine::{Error, Input, Numbers, Plan, Session, onnx_view::Model};

/// A layer of two units over one input, with these attributes, and another operator behind it.
fn layer(attributes: &[Vec<u8>], then: &str, inputs: &str) -> Vec<u8> {
    let graph = [
        constant("w", &[1, 8, 1], &[0.0; 8]),
        constant("r", &[1, 8, 2], &[0.0; 16]),
        constant("b", &[1, 16], &[0.0; 16]),
        node("LSTM", inputs, "y", attributes),
        node(then, "y", "z", &[]),
    ];
    file("x h", "z", &graph)
}

#[test]
fn a_layer_in_a_form_that_is_not_understood_is_refused_by_its_operator() {
    let text = |name: &str, number: u64, text: &str| [field(1, name), field(number, text)].concat();
    let plain = "x w r b";
    let accepted = [
        (vec![], plain),
        (vec![integer("hidden_size", 2), text("direction", 4, "forward"), integer("layout", 0)], plain),
        (vec![], "x w r"),
        (vec![], "x w r b - h h"),
        (vec![], "x w r b - h"),
    ];
    for (attributes, inputs) in accepted {
        assert!(compile(&layer(&attributes, "Identity", inputs)).is_ok(), "{attributes:?} {inputs}");
    }
    let refused = [
        (vec![], "x w r b h", "lengths of sequences"),
        (vec![], "x w r b - h h w", "peepholes"),
        (vec![], "x r w b", "do not go together"),
        (vec![], "x w h b", "its weights are not constant"),
        (vec![integer("hidden_size", 3)], plain, "do not go together"),
        (vec![integer("layout", 1)], plain, "another direction, layout"),
        (vec![integer("input_forget", 1)], plain, "another direction, layout"),
        (vec![text("direction", 4, "reverse")], plain, "another direction, layout"),
        (vec![text("direction", 4, "bidirectional")], plain, "another direction, layout"),
        (vec![text("activations", 9, "Relu")], plain, "another direction, layout"),
        (vec![integer("clip", 1)], plain, "another direction, layout"),
    ];
    for (attributes, inputs, part) in refused {
        let error = compile(&layer(&attributes, "Identity", inputs)).unwrap_err();
        assert!(matches!(&error, Error::Operator { operator, .. } if operator == "LSTM"), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = compile(&layer(&[], "Softmax", plain)).unwrap_err().to_string();
    assert!(error.contains("does not run the operator Softmax (node 1)"), "{error}");
}

#[test]
fn weights_without_numbers_are_refused() {
    // In an earlier version this was a panic: "chunk size must be non-zero".
    let graph = [constant("w", &[0, 21], &[]), node("MatMul", "x w", "y", &[])];
    let error = compile(&file("x", "y", &graph)).unwrap_err().to_string();
    assert!(error.contains("MatMul (node 0): its weights have a dimension of 0"), "{error}");
    for (w, r) in [([1, 8, 0], [1, 8, 2]), ([1, 0, 1], [1, 0, 0])] {
        let graph = [
            constant("w", &w, &[]),
            constant("r", &r, &vec![0.0; r.iter().product()]),
            node("LSTM", "x w r", "y", &[]),
        ];
        let error = compile(&file("x", "y", &graph)).unwrap_err().to_string();
        assert!(error.contains("dimension of 0"), "{error}");
    }
}

#[test]
fn a_split_into_a_million_is_refused() {
    // In an earlier version each name was looked for among all before it, for a minute.
    let split = |count: usize| {
        let outputs: Vec<String> = (0..count).map(|index| index.to_string()).collect();
        file("x", "0", &[node("Split", "x", &outputs.join(" "), &[])])
    };
    let error = Model::read(&split(1_000_000)).unwrap_err().to_string();
    assert!(error.contains("a list of more than 65536 items"), "{error}");
    let error = compile(&split(20_000)).unwrap_err().to_string();
    assert!(error.contains("more than 16384 nodes and values"), "{error}");
}

#[test]
fn weights_that_a_thousand_operators_share_are_refused() {
    let mut graph = vec![constant("w", &[10, 10], &[0.5; 100])];
    graph.extend((0..1000).map(|index| node("MatMul", &format!("x{index} w"), &format!("x{}", index + 1), &[])));
    let error = compile(&file("x0", "x1000", &graph)).unwrap_err().to_string();
    assert!(error.contains("MatMul (node 4): too many operators before it have the same weights"), "{error}");
    let mut graph = vec![integers("axes", &[0; 1000])];
    graph.extend((0..1000).map(|index| node("Unsqueeze", &format!("x{index} axes"), &format!("x{}", index + 1), &[])));
    let error = compile(&file("x0", "x1000", &graph)).unwrap_err().to_string();
    assert!(error.contains("Unsqueeze (node 0): its axes or lengths are not constant"), "{error}");
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let with = |w: f32, table: f32, bias: f32| {
        let graph = [
            constant("table", &[2, 1], &[0.5, table]),
            constant("w", &[1, 4, 1], &[0.5, 0.5, w, 0.5]),
            constant("r", &[1, 4, 1], &[0.5; 4]),
            constant("dense", &[1, 2], &[0.5; 2]),
            constant("bias", &[2], &[0.5, bias]),
            node("Gather", "table ids", "x", &[]),
            node("LSTM", "x w r", "y", &[]),
            node("MatMul", "y dense", "product", &[]),
            node("Add", "product bias", "z", &[]),
        ];
        compile(&file("ids", "z", &graph)).map(drop)
    };
    // Minus infinity as a bias is a mask: the token is never written.
    for bias in [0.5, f32::MAX, f32::NEG_INFINITY] {
        assert_eq!(with(f32::MIN_POSITIVE, -f32::MAX, bias), Ok(()));
    }
    for (w, table, bias, name) in [
        (f32::NAN, 0.0, 0.0, "w"),
        (f32::NEG_INFINITY, 0.0, 0.0, "w"),
        (0.0, f32::INFINITY, 0.0, "table"),
        (0.0, 0.0, f32::INFINITY, "bias"),
        (0.0, 0.0, -f32::NAN, "bias"),
    ] {
        assert_eq!(with(w, table, bias), Err(Error::NotFinite { tensor: name.into() }));
    }
}

#[test]
fn weights_that_grow_when_they_are_packed_are_refused() {
    // A product of a table of single numbers with a wide layer: a million rows of 8000 gates from 13 MB.
    let (rows, hidden) = (1 << 20, 1000);
    let graph = [
        constant("table", &[rows, 1], &vec![0.5; rows]),
        constant("w", &[1, 4 * hidden, 1], &vec![0.5; 4 * hidden]),
        constant("r", &[1, 4 * hidden, hidden], &vec![0.0; 4 * hidden * hidden]),
        node("Gather", "table ids", "x", &[]),
        node("LSTM", "x w r", "y", &[]),
    ];
    let plan = format!("{:?}", compile(&file("ids", "y", &graph)).unwrap());
    assert!(plan.contains("rows of 1, LSTM of 1000 over 1 numbers"), "{plan}");
    // A vector for each number.
    let graph = [
        constant("w", &[1, 4, 1 << 20], &vec![0.5; 4 << 20]),
        constant("r", &[1, 4, 1], &[0.5; 4]),
        node("LSTM", "x w r", "y", &[]),
    ];
    let error = compile(&file("x", "y", &graph)).unwrap_err().to_string();
    assert!(error.contains("its weights would take much more memory than its file"), "{error}");
}

#[test]
fn a_run_that_grows_is_refused() {
    let layer =
        [constant("w", &[1, 4, 1], &[0.5; 4]), constant("r", &[1, 4, 1], &[0.5; 4]), node("LSTM", "x w r", "y0", &[])];
    let run = |nodes: Vec<Vec<u8>>, output: &str| {
        let graph = [&layer[..], &nodes].concat();
        let mut session = Session::new(compile(&file("x", output, &graph)).unwrap(), 1);
        session
            .run(&[Input { shape: &[1, 1, 1], numbers: Numbers::Floats(&[1.0]) }])
            .map(|()| session.output(0).0.len())
    };
    let grow = |count: usize, operator: &str, twice: bool| -> Vec<Vec<u8>> {
        let inputs = |index: usize| if twice { format!("y{index} y{index}") } else { format!("y{index} axes") };
        let nodes = (0..count).map(|index| node(operator, &inputs(index), &format!("y{}", index + 1), &[]));
        [integers("axes", &[0; 1])].into_iter().chain(nodes).collect()
    };
    assert_eq!(run(grow(5, "Concat", true), "y5"), Ok(4));
    // 2^60 numbers.
    let error = run(grow(60, "Concat", true), "y60").unwrap_err().to_string();
    assert!(error.contains("makes far more numbers than its weights and inputs have"), "{error}");
    assert_eq!(run(grow(60, "Unsqueeze", false), "y60"), Ok(64));
    let error = run(grow(61, "Unsqueeze", false), "y61").unwrap_err().to_string();
    assert!(error.contains("has no such axes"), "{error}");
}

#[test]
fn graphs_that_contradict_themselves_are_refused() {
    let without_outputs = field(1, [field(1, "x"), field(4, "Concat")].concat());
    let cases: [(&str, &str, Vec<Vec<u8>>, &str); 9] = [
        // In an earlier version a run of it was a panic.
        ("x", "z", vec![without_outputs], "it has no inputs, no outputs, or too many outputs"),
        ("x", "y", vec![node("Identity", "nobody", "y", &[])], "no operator before makes it"),
        ("x", "y", vec![node("Identity", "x", "x", &[])], "has no name, or that of another"),
        ("x", "y", vec![node("Identity", "x", "y", &[])], "it has no LSTM"),
        ("x", "z", vec![integers("l", &[1, -1]), node("Split", "x l", "y z", &[])], "a length is negative"),
        ("x", "z", vec![integers("l", &[1]), node("Split", "x l", "y z", &[])], "as many lengths"),
        ("x", "z", vec![node("Concat", "x x", "z", &[integer("axis", 1)])], "its axis is not the first"),
        ("ids x", "z", vec![node("Concat", "x ids", "z", &[])], "an input is no float"),
        ("x", "z", vec![node("Squeeze", "x", "z", &[])], "not constant"),
    ];
    for (inputs, outputs, graph, part) in cases {
        let error = compile(&file(inputs, outputs, &graph)).unwrap_err().to_string();
        assert!(error.contains(part), "{error} should say {part}");
    }
}

#[test]
fn an_output_may_be_an_input() {
    let graph = [
        constant("w", &[1, 4, 1], &[0.5; 4]),
        constant("r", &[1, 4, 1], &[0.5; 4]),
        node("LSTM", "x w r", "y", &[]),
        node("Identity", "h", "same", &[]),
    ];
    let mut session = Session::new(compile(&file("x h", "y same", &graph)).unwrap(), 1);
    let input = |shape, numbers| Input { shape, numbers: Numbers::Floats(numbers) };
    session.run(&[input(&[1, 1, 1], &[1.0]), input(&[2], &[3.0, 4.0])]).unwrap();
    assert_eq!(session.output(1), (&[2][..], &[3.0, 4.0][..]));
    assert_eq!(session.output(0).0, [1, 1, 1, 1]);
}

#[test]
fn inputs_that_do_not_fit_are_refused_and_the_session_still_runs() {
    let model = Character::new(1, 4, 11, Table::Identity);
    let mut session = Session::new(model.plan(), 1);
    let (ids, state) = model.inputs(2, 1);
    let expected = model.run(&mut session, [2, 1], &ids, &state);
    let long = |shape, ids| Input { shape, numbers: Numbers::Longs(ids) };
    let float = |shape, numbers| Input { shape, numbers: Numbers::Floats(numbers) };
    let (h, c) = (float(&[1, 1, 4], &state[0]), float(&[1, 1, 4], &state[1]));
    let cases: [(&[Input<'_>], &str); 9] = [
        (&[long(&[2, 1], &[3, 11]), h, c], "the id 11 is looked up in a table of 11 rows"),
        (&[long(&[2, 1], &[-12, 3]), h, c], "the id -12 is looked up"),
        (&[long(&[1, 1], &[i64::MIN]), h, c], "the id -9223372036854775808 is looked up"),
        (&[long(&[2], &[1, 2]), h, c], "(time, batch) is expected"),
        (&[long(&[0, 1], &[]), h, c], "has 0 numbers"),
        (&[long(&[3, 1], &[1, 2]), h, c], "has 2 numbers"),
        (&[long(&[1, 2], &[1, 2]), h, c], "starts from a state [1, 1, 4] where [1, 2, 4] is expected"),
        (&[float(&[1, 1], &[1.0]), h, c], "looked up by floats"),
        (&[h, c], "2 inputs are given to 3"),
    ];
    for (inputs, part) in cases {
        let error = session.run(inputs).unwrap_err().to_string();
        assert!(error.contains(part), "{error:?} should say {part:?}");
        assert!(model.run(&mut session, [2, 1], &ids, &state) == expected);
    }
    // Negative ids count from the end.
    let negative: Vec<i64> = ids.iter().map(|id| id - 11).collect();
    assert!(model.run(&mut session, [2, 1], &negative, &state) == expected);
}

#[test]
fn damaged_models_end_in_an_error_or_a_plan() {
    let whole = Character::new(2, 4, 9, Table::Identity).bytes;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut refused = 0;
    for _ in 0..1000 {
        let mut damaged = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (state >> 33) as usize % damaged.len();
            damaged[place] = (state >> 20) as u8;
        }
        let Ok(view) = Model::read(&damaged) else {
            refused += 1;
            continue;
        };
        let Ok(plan) = Plan::compile(&view) else {
            refused += 1;
            continue;
        };
        let numbers = vec![0.5; 8];
        let state = Input { shape: &[2, 1, 4], numbers: Numbers::Floats(&numbers) };
        let ids = Input { shape: &[1, 1], numbers: Numbers::Longs(&[1]) };
        let _ = Session::new(plan.into(), 1).run(&[ids, state, state]);
    }
    assert!(refused > 100, "{refused}");
}
