//! Mistakes of a caller or an engine: each ends in an error that names what was wrong, and the session still works.

mod common;

use common::{IDS, Inputs, STATE, check_echo, environment, fixture, open, open_in_mood};
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
    check_echo(&mut session);
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let Inputs { ids: numbers, hidden, cell } = Inputs::new();
    let short = [1_i32; 6];
    let state = || TensorRef::from_array_view((STATE, &*cell)).unwrap();
    let ids = || TensorRef::from_array_view((IDS, &*numbers)).unwrap();
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
}

#[test]
fn places_for_outputs_that_do_not_fit_are_named() {
    // One that the engine lends and one that it gives away.
    for name in ["h_next", "c_next"] {
        for (shape, message) in [
            (vec![2_usize, 2, 7], "has the shape [2, 2, 8] in the model, but the tensor given is [2, 2, 7]"),
            (vec![32], "has the shape [2, 2, 8] in the model, but the tensor given is [32]"),
        ] {
            let mut session = open("character.onnx");
            let place = Tensor::<f32>::new(&Allocator::default(), shape).unwrap();
            let selector = OutputSelector::default().preallocate(name, place);
            let options = RunOptions::new().unwrap().with_outputs(selector);
            let inputs = Inputs::new();
            let error = session.run_with_options(inputs.all(), &options).err().unwrap().to_string();
            assert!(error.contains(message) && error.contains(name), "{error}");
        }
        let mut session = open("character.onnx");
        let place = Tensor::<i64>::new(&Allocator::default(), STATE).unwrap();
        let options = RunOptions::new().unwrap().with_outputs(OutputSelector::default().preallocate(name, place));
        let error = session.run_with_options(Inputs::new().all(), &options).err().unwrap().to_string();
        assert!(error.contains("is float32 in the model, but the tensor given is int64"), "{error}");
    }
}

#[test]
fn an_engine_that_panics_or_gives_too_little_ends_in_an_error() {
    let run = |mood| open_in_mood(mood).run(Inputs::new().all()).unwrap_err().to_string();
    assert!(run("lazy").contains("cannot run the model: too few echoes"));
    assert!(run("angry").contains("internal error, please report it: the engine is angry"));
}

#[test]
fn what_is_left_out_says_its_name() {
    let mut session = open("character.onnx");
    let element = Tensor::from_array(([1], vec![1.0_f32])).unwrap();
    let device = MemoryInfo::new(AllocationDevice::CUDA, 0, AllocatorType::Device, MemoryType::Default);
    for (error, message) in [
        (session.create_binding().unwrap_err(), "CreateIoBinding is not implemented by ort-backend"),
        (session.end_profiling().unwrap_err(), "SessionEndProfiling is not implemented by ort-backend"),
        (Sequence::new([element]).unwrap_err(), "CreateValue is not implemented by ort-backend"),
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
    assert!(error.contains("this is not an ONNX file"), "{error}");
    for (name, message) in [
        ("unknown_operator.onnx", "no echo of Frobnicate"),
        ("unknown_opset.onnx", "the ONNX file uses operator set 999"),
        ("sequence.onnx", r#""sequence", which is no tensor"#),
    ] {
        let error = open(&fixture(name));
        assert!(error.contains(message), "{error}");
    }
}
