//! Mistakes of a caller: each ends in an error that names what was wrong, and the session still works afterwards.

mod common;

use common::{IDS, Inputs, STATE, assert_close, environment, expected, fixture, open, refusal, results};
use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{OutputSelector, RunOptions, Session, SessionInputs},
    value::{Sequence, Tensor, TensorRef},
};

/// Runs the character model on these inputs and compares a part of the message.
#[track_caller]
fn check<'i, 'v: 'i, const N: usize>(inputs: impl Into<SessionInputs<'i, 'v, N>>, message: &str) {
    let mut session = open("character.onnx");
    let error = session.run(inputs).expect_err("the run should fail").to_string();
    assert!(error.contains(message), "`{error}` should contain `{message}`");
    assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let Inputs { mut ids, hidden, cell } = Inputs::new();
    let short = [1_i32; 6];
    let state = || TensorRef::from_array_view((STATE, &*cell)).unwrap();
    {
        let ids = || TensorRef::from_array_view((IDS, &*ids)).unwrap();
        let text = r#"the model has no input named "hidden"; it has ids, h, c"#;
        check(ort::inputs!["ids" => ids(), "hidden" => state(), "c" => state()], text);
        check(ort::inputs!["ids" => ids(), "c" => state()], r#"the input "h" was not given"#);
        check(ort::inputs!["h" => state(), "h" => state(), "c" => state()], r#"the input "ids" was not given"#);
        check(ort::inputs![ids(), state(), state(), state()], "4 inputs were provided, but the model only accepts 3");

        let integers = TensorRef::from_array_view((IDS, &short[..])).unwrap();
        let text = r#"the input "ids" is int64 in the model, but the tensor given is int32"#;
        check(ort::inputs!["ids" => integers, "h" => state(), "c" => state()], text);
        let text = r#"the input "h" is float32 in the model, but the tensor given is int64"#;
        check(ort::inputs!["ids" => ids(), "h" => ids(), "c" => state()], text);

        let narrow = TensorRef::from_array_view(([2, 4, 4], &*hidden)).unwrap();
        let text = r#"the input "h" has the shape [2, batch, 8] in the model, but the tensor given is [2, 4, 4]"#;
        check(ort::inputs!["ids" => ids(), "h" => narrow, "c" => state()], text);
        let flat = TensorRef::from_array_view(([32], &*hidden)).unwrap();
        let text = r#"the input "c" has the shape [2, batch, 8] in the model, but the tensor given is [32]"#;
        check(ort::inputs!["ids" => ids(), "h" => state(), "c" => flat], text);
        // Fits what is declared, and only the engine finds that the batches differ.
        let single = TensorRef::from_array_view(([2, 1, 8], &hidden[..16])).unwrap();
        check(ort::inputs!["ids" => ids(), "h" => single, "c" => state()], "the model cannot be run on these inputs");
    }
    for (id, message) in [
        (i64::from(i32::MAX) + 1, "the id 2147483648 is looked up in a table of 11 rows"),
        (i64::MIN, "the id -9223372036854775808 is looked up"),
        (11, "the id 11 is looked up"),
        (-12, "the id -12 is looked up"),
    ] {
        ids[4] = id;
        let ids = TensorRef::from_array_view((IDS, &*ids)).unwrap();
        check(ort::inputs!["ids" => ids, "h" => state(), "c" => state()], message);
    }
}

#[test]
fn places_for_outputs_that_do_not_fit_are_named() {
    for (shape, message) in [
        (vec![3_usize, 2, 10], r#"the output "logits" has the shape [3, 2, 11] in the model, but the tensor given is"#),
        (vec![66], r#"the output "logits" has the shape [3, 2, 11] in the model, but the tensor given is [66]"#),
    ] {
        let inputs = Inputs::new();
        let mut session = open("character.onnx");
        let place = Tensor::<f32>::new(&Allocator::default(), shape).unwrap();
        let options = RunOptions::new().unwrap();
        let options = options.with_outputs(OutputSelector::default().preallocate("logits", place));
        let outcome = session.run_with_options(
            ort::inputs![
                "ids" => TensorRef::from_array_view((IDS, &*inputs.ids)).unwrap(),
                "h" => TensorRef::from_array_view((STATE, &*inputs.hidden)).unwrap(),
                "c" => TensorRef::from_array_view((STATE, &*inputs.cell)).unwrap(),
            ],
            &options,
        );
        let error = outcome.err().unwrap().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn what_is_left_out_says_its_name() {
    let mut session = open("character.onnx");
    let element = Tensor::from_array(([1], vec![1.0_f32])).unwrap();
    let device = MemoryInfo::new(AllocationDevice::CUDA, 0, AllocatorType::Device, MemoryType::Default);
    for (error, message) in [
        (session.create_binding().unwrap_err(), "CreateIoBinding is not implemented by ort-rten"),
        (session.end_profiling().unwrap_err(), "SessionEndProfiling is not implemented by ort-rten"),
        (Sequence::new([element]).unwrap_err(), "CreateValue is not implemented by ort-rten"),
        (device.unwrap_err(), r#"there is no device "Cuda""#),
    ] {
        assert!(error.to_string().contains(message), "`{error}` should contain `{message}`");
    }
}

#[test]
fn files_that_are_no_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| {
        Session::builder(environment()).unwrap().commit_from_file(path).map(drop).unwrap_err().to_string()
    };
    let error = open(&folder.path().join("absent.onnx"));
    assert!(error.contains("does not exist"), "{error}");
    let error = open(folder.path());
    assert!(error.contains("cannot read the model"), "{error}");
    let text = folder.path().join("text.onnx");
    std::fs::write(&text, "To be, or not to be").unwrap();
    let error = open(&text);
    assert!(error.contains("this is not a whole ONNX model"), "{error}");
    for (name, message) in [
        ("unknown_operator.onnx", "Frobnicate"),
        ("unknown_opset.onnx", "the model uses version 999 of the ONNX operators"),
        ("sequence.onnx", r#"the input "sequence", which is no tensor"#),
    ] {
        let error = open(&fixture(name));
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_model_cut_short_anywhere_is_refused() {
    let whole = std::fs::read(fixture("character.onnx")).unwrap();
    // Only where one of the outermost fields ends is the rest a message; the model is whole once the graph is there.
    let accepted =
        |length: usize| Session::builder(environment()).unwrap().commit_from_memory(&whole[..length]).is_ok();
    let accepted: Vec<usize> = (0..whole.len()).filter(|&length| accepted(length)).collect();
    assert!(accepted.len() <= 2 && accepted.iter().all(|&length| length > 6900), "{accepted:?} of {}", whole.len());
}

#[test]
fn damaged_models_end_in_an_error_or_a_model() {
    let whole = std::fs::read(fixture("character.onnx")).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut refused = 0;
    for _ in 0..600 {
        let mut damaged = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (state >> 33) as usize % damaged.len().min(1500);
            damaged[place] = (state >> 20) as u8;
        }
        let mut builder = Session::builder(environment()).unwrap().with_intra_threads(1).unwrap();
        match builder.commit_from_memory(&damaged) {
            Ok(mut session) => drop(Inputs::new().run(&mut session)),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn lengths_that_claim_more_than_there_is_are_refused() {
    // A field of ModelProto (7 is the graph), of GraphProto (5 is a tensor) and of TensorProto (9 is its raw data).
    let claim = |number: u8| [&[number << 3 | 2][..], &[0x80, 0x80, 0x80, 0x80, 0x08]].concat(); // 2 GiB
    let graph = claim(7);
    let tensor = [vec![7 << 3 | 2, 6], claim(5)].concat();
    let data = [vec![7 << 3 | 2, 8, 5 << 3 | 2, 6], claim(9)].concat();
    for bytes in [graph, tensor, data] {
        let error = refusal(&bytes);
        assert!(error.contains("claims 2147483648 bytes where 0 are left"), "{error}");
    }
    let endless = [[7 << 3 | 2].as_slice(), &[0xff; 12]].concat();
    let error = refusal(&endless);
    assert!(error.contains("a number in it does not end"), "{error}");
}

#[test]
fn graphs_within_graphs_do_not_exhaust_the_stack() {
    // A graph (1: a node (5: an attribute (6: a graph …))), each level with the length of what it holds.
    let mut bytes = Vec::new();
    for _ in 0..100_000 {
        for number in [6_u8, 5, 1] {
            let mut length = bytes.len();
            let mut field = vec![number << 3 | 2];
            while length >= 0x80 {
                field.push(length as u8 | 0x80);
                length >>= 7;
            }
            field.push(length as u8);
            // Grown from the inside out: kept backwards and turned round at the end.
            field.reverse();
            bytes.extend(field);
        }
    }
    let mut length = bytes.len();
    let mut field = vec![7 << 3 | 2];
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.reverse();
    bytes.extend(field);
    bytes.reverse();
    let error = refusal(&bytes);
    assert!(error.contains("deep"), "{error}");
}
