//! Opening, describing and running models through `ort`'s own calls.

mod common;

use common::{IDS, Inputs, STATE, check_echo, environment, fixture, open, open_in_mood};
use ort::{
    memory::Allocator,
    session::{OutputSelector, RunOptions, Session},
    value::{Tensor, TensorRef, ValueType},
};

#[test]
fn inputs_and_outputs_are_described_as_the_file_declares_them() {
    let session = open("character.onnx");
    let describe = |outlet: &ort::value::Outlet| match outlet.dtype() {
        ValueType::Tensor { ty, shape, dimension_symbols } => {
            format!("{} {ty} {:?} {:?}", outlet.name(), &shape[..], &dimension_symbols[..])
        }
        other => panic!("{other:?}"),
    };
    let inputs: Vec<_> = session.inputs().iter().map(describe).collect();
    assert_eq!(
        inputs,
        [
            r#"ids i64 [-1, -1] ["sequence", "batch"]"#,
            r#"h f32 [2, -1, 8] ["", "batch", ""]"#,
            r#"c f32 [2, -1, 8] ["", "batch", ""]"#
        ]
    );
    let outputs: Vec<_> = session.outputs().iter().map(describe).collect();
    assert_eq!(
        outputs,
        [
            r#"logits f32 [-1, -1, 11] ["sequence", "batch", ""]"#,
            r#"h_next f32 [2, -1, 8] ["", "batch", ""]"#,
            r#"c_next f32 [2, -1, 8] ["", "batch", ""]"#
        ]
    );
    assert_eq!(session.overridable_initializers().len(), 0);
}

#[test]
fn weights_among_the_inputs_of_an_old_file_are_no_inputs() {
    let session = open("old.onnx");
    assert_eq!(session.inputs().iter().map(ort::value::Outlet::name).collect::<Vec<_>>(), ["x"]);
}

#[test]
fn metadata_is_read_whole() {
    let session = open("character.onnx");
    let metadata = session.metadata().unwrap();
    assert_eq!(metadata.producer().as_deref(), Some("models.py"));
    assert_eq!(metadata.name().as_deref(), Some("character"));
    assert_eq!(metadata.domain().as_deref(), Some("example.test"));
    assert_eq!(metadata.description().as_deref(), Some("a fixture"));
    assert_eq!(metadata.graph_description().as_deref(), Some("one character at a time"));
    assert_eq!(metadata.version(), Some(7));
    assert_eq!(metadata.custom_keys().unwrap(), ["scrimshaw.card"]);
    assert_eq!(metadata.custom("scrimshaw.card").as_deref(), Some(r#"{"format":1,"note":"Arr, ☠"}"#));
    assert_eq!(metadata.custom("scrimshaw"), None);

    let session = open("old.onnx");
    let metadata = session.metadata().unwrap();
    assert_eq!(metadata.custom_keys().unwrap(), [""; 0]);
    assert_eq!(metadata.producer().as_deref(), Some(""));
    assert_eq!(metadata.version(), Some(0));
}

#[test]
fn every_element_type_passes() {
    let mut session = open("types.onnx");
    let flags = [true, false, true];
    let outputs = session
        .run(ort::inputs![
            "long" => TensorRef::from_array_view(([3], &[-5_i64, 0, 1_000_000_000][..])).unwrap(),
            "integer" => TensorRef::from_array_view(([2, 1], &[i32::MAX / 2, -7][..])).unwrap(),
            "flag" => TensorRef::from_array_view(([3], &flags[..])).unwrap(),
            "real" => TensorRef::from_array_view(([2, 3], &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0][..])).unwrap(),
            "byte" => Tensor::from_array(((), vec![200_u8])).unwrap(),
            "signed" => TensorRef::from_array_view(([2], &[-128_i8, 127][..])).unwrap(),
        ])
        .unwrap();
    assert_eq!(outputs["long_twice"].try_extract_tensor::<i64>().unwrap().1, [-5, 0, 1_000_000_000]);
    let (shape, integers) = outputs["integer_twice"].try_extract_tensor::<i32>().unwrap();
    assert_eq!((&shape[..], integers), (&[2, 1][..], &[i32::MAX / 2, -7][..]));
    assert_eq!(outputs["flag_not"].try_extract_tensor::<bool>().unwrap().1, flags);
    assert_eq!(outputs["real_twice"].try_extract_tensor::<f32>().unwrap().1, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(outputs["byte_same"].try_extract_scalar::<u8>().unwrap(), 200);
    assert_eq!(outputs["signed_same"].try_extract_tensor::<i8>().unwrap().1, [-128, 127]);
    assert!(outputs["long_twice"].try_extract_tensor::<i32>().is_err());
}

#[test]
fn tensors_may_own_their_elements_and_may_be_empty() {
    let allocator = Allocator::default();
    let mut tensor = Tensor::<i64>::new(&allocator, [2_usize, 3]).unwrap();
    assert_eq!(tensor.extract_tensor().1, [0; 6]);
    tensor[[1, 2]] = 9;
    assert_eq!(tensor.extract_tensor().1, [0, 0, 0, 0, 0, 9]);
    assert_eq!(tensor[[1, 2]], 9);
    let empty = Tensor::<f32>::new(&allocator, [0_usize, 3]).unwrap();
    assert_eq!(empty.extract_tensor().1, [0.0; 0]);
    let scalar = Tensor::from_array(((), vec![2.5_f32])).unwrap();
    assert_eq!((scalar.shape().len(), scalar.extract_tensor().1), (0, &[2.5][..]));
    let strings = Tensor::from_string_array(([1], &["a"][..])).unwrap_err().to_string();
    assert!(strings.contains("tensors of string are not supported"), "{strings}");
}

#[test]
fn outputs_can_be_chosen_and_written_where_the_caller_says() {
    // One that the engine lends and one that it gives away.
    for (names, name) in [(["h_next", "c_next"], "h_next"), (["c_next", "h_next"], "h_next")] {
        let inputs = Inputs::new();
        let mut session = open("character.onnx");
        let place = Tensor::<f32>::new(&Allocator::default(), STATE).unwrap();
        let pointer = place.data_ptr();
        let selector = names.into_iter().fold(OutputSelector::no_default(), OutputSelector::with);
        let options = RunOptions::new().unwrap().with_outputs(selector.preallocate(name, place));
        let outputs = session.run_with_options(inputs.all(), &options).unwrap();
        assert_eq!(outputs.keys().collect::<Vec<_>>(), names);
        let (shape, hidden) = outputs[name].try_extract_tensor::<f32>().unwrap();
        assert_eq!((hidden.as_ptr().cast(), &shape[..], hidden), (pointer, &STATE[..], &*inputs.hidden));
    }
}

#[test]
fn a_run_with_a_terminated_option_ends_before_it_begins() {
    let mut session = open("old.onnx");
    let options = RunOptions::new().unwrap().with_tag("greeting").unwrap();
    assert_eq!(options.tag().unwrap(), "greeting");
    let value = || Tensor::from_array(([1], vec![1.0_f32])).unwrap();
    options.terminate().unwrap();
    let error = session.run_with_options(ort::inputs![value()], &options).err().unwrap().to_string();
    assert!(error.contains("terminate"), "{error}");
    options.unterminate().unwrap();
    assert!(session.run_with_options(ort::inputs![value()], &options).is_ok());
}

#[test]
fn builders_can_be_cloned_and_configured() {
    use ort::session::builder::GraphOptimizationLevel;

    let builder = Session::builder(environment()).unwrap();
    let builder = builder.with_optimization_level(GraphOptimizationLevel::Disable).unwrap();
    let builder = builder.with_memory_pattern(false).unwrap().with_inter_threads(1).unwrap();
    let mut copy = builder.clone();
    drop(builder);
    check_echo(&mut copy.commit_from_file(fixture("character.onnx")).unwrap());
    assert_eq!(ort::info(), "echo 1.0");
}

#[test]
fn options_reach_the_engine() {
    let error = open_in_mood("merry").run(Inputs::new().all()).unwrap_err().to_string();
    assert!(error.contains("cannot be run on these inputs: merry 1"), "{error}");
    let builder = Session::builder(environment()).unwrap();
    let error = builder.with_intra_threads(100_000).map(drop).unwrap_err().to_string();
    assert!(error.contains("100000 is not a number of threads"), "{error}");
}

#[test]
fn an_output_can_be_the_next_input_and_outlives_the_session() {
    let inputs = Inputs::new();
    let mut session = open("character.onnx");
    let hidden = session.run(inputs.all()).unwrap().remove("h_next").unwrap();
    let ids = TensorRef::from_array_view((IDS, &*inputs.ids)).unwrap();
    let mut outputs = session.run(ort::inputs!["ids" => ids, "h" => &hidden, "c" => &hidden]).unwrap();
    let cell = outputs.remove("c_next").unwrap();
    drop(outputs);
    drop(session);
    assert_eq!(cell.try_extract_tensor::<f32>().unwrap().1, inputs.hidden);
}

#[test]
fn sessions_go_to_other_threads() {
    let mut sessions: Vec<Session> = std::thread::scope(|scope| {
        let open = || {
            let mut session = open("character.onnx");
            check_echo(&mut session);
            session
        };
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    sessions.iter_mut().for_each(check_echo);
}
