//! Opening, describing and running models through `ort`'s own calls.

mod common;

use common::{IDS, Inputs, STATE, assert_close, environment, expected, fixture, open, results};
use ort::{
    memory::Allocator,
    session::{OutputSelector, RunOptions, Session, builder::GraphOptimizationLevel},
    value::{Tensor, TensorElementType, TensorRef, ValueType},
};

#[test]
fn results_are_those_of_onnx_runtime() {
    let inputs = Inputs::new();
    assert_close(&results(&inputs.run(&mut open("character.onnx")).unwrap()), &expected(), 1e-6);
}

#[test]
fn results_without_optimisation_are_the_same() {
    // Then the engine itself runs the model, and not this crate's kernels.
    let builder = Session::builder(environment()).unwrap().with_optimization_level(GraphOptimizationLevel::Disable);
    let mut session = builder.unwrap().commit_from_file(fixture("character.onnx")).unwrap();
    assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
    let mut inputs = Inputs::new();
    inputs.ids[4] = i64::from(i32::MAX) + 1;
    let error = inputs.run(&mut session).unwrap_err().to_string();
    assert!(error.contains(r#"element 4 of the input "ids" is 2147483648; rten computes with 32-bit"#), "{error}");
}

#[test]
fn a_model_in_memory_needs_its_bytes_no_longer_than_to_be_opened() {
    let mut bytes = std::fs::read(fixture("character.onnx")).unwrap();
    let mut session = Session::builder(environment()).unwrap().commit_from_memory(&bytes).unwrap();
    bytes.fill(0xff);
    drop(bytes);
    assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
}

#[test]
fn a_file_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("modèle sans suffixe");
    std::fs::copy(fixture("character.onnx"), &path).unwrap();
    let mut session = Session::builder(environment()).unwrap().commit_from_file(&path).unwrap();
    assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
}

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
    let mut session = open("old.onnx");
    assert_eq!(session.inputs().iter().map(ort::value::Outlet::name).collect::<Vec<_>>(), ["x"]);
    let input = TensorRef::from_array_view(([3], &[1.0_f32, 2.0, 3.0][..])).unwrap();
    let outputs = session.run(ort::inputs![input]).unwrap();
    assert_eq!(outputs["y"].try_extract_tensor::<f32>().unwrap().1, [2.0, 4.0, 6.0]);
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
fn every_element_type_comes_back_as_it_is_declared() {
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
    assert_eq!(outputs["long_twice"].try_extract_tensor::<i64>().unwrap().1, [-10, 0, 2_000_000_000]);
    let (shape, integers) = outputs["integer_twice"].try_extract_tensor::<i32>().unwrap();
    assert_eq!((&shape[..], integers), (&[2, 1][..], &[i32::MAX - 1, -14][..]));
    assert_eq!(outputs["flag_not"].try_extract_tensor::<bool>().unwrap().1, [false, true, false]);
    assert_eq!(outputs["real_twice"].try_extract_tensor::<f32>().unwrap().1, [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
    let (shape, turned) = outputs["real_turned"].try_extract_tensor::<f32>().unwrap();
    assert_eq!((&shape[..], turned), (&[3, 2][..], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0][..]));
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
fn no_sequence_and_no_batch_give_empty_outputs_or_an_error() {
    let mut session = open("character.onnx");
    let outcome = session.run(ort::inputs![
        "ids" => Tensor::<i64>::new(&Allocator::default(), [0_usize, 1]).unwrap(),
        "h" => Tensor::<f32>::new(&Allocator::default(), [2_usize, 1, 8]).unwrap(),
        "c" => Tensor::<f32>::new(&Allocator::default(), [2_usize, 1, 8]).unwrap(),
    ]);
    if let Ok(outputs) = outcome {
        assert_eq!(&outputs["logits"].try_extract_tensor::<f32>().unwrap().0[..], [0, 1, 11]);
    }
}

#[test]
fn one_output_can_be_chosen_and_written_where_the_caller_says() {
    let inputs = Inputs::new();
    let mut session = open("character.onnx");
    let place = Tensor::<f32>::new(&Allocator::default(), [3_usize, 2, 11]).unwrap();
    let place_pointer = place.data_ptr();
    let selector = OutputSelector::no_default().with("logits").preallocate("logits", place);
    let options = RunOptions::new().unwrap().with_outputs(selector);
    let outputs = session
        .run_with_options(
            ort::inputs![
                "ids" => TensorRef::from_array_view((IDS, &*inputs.ids)).unwrap(),
                "h" => TensorRef::from_array_view((STATE, &*inputs.hidden)).unwrap(),
                "c" => TensorRef::from_array_view((STATE, &*inputs.cell)).unwrap(),
            ],
            &options,
        )
        .unwrap();
    assert_eq!(outputs.len(), 1);
    let (shape, logits) = outputs["logits"].try_extract_tensor::<f32>().unwrap();
    assert_eq!(logits.as_ptr().cast(), place_pointer);
    assert_eq!(&shape[..], [3, 2, 11]);
    assert!((logits[0] - expected()["logits"].1[0]).abs() < 1e-6);
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
    let mut session = copy.commit_from_file(fixture("character.onnx")).unwrap();
    assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
    assert!(ort::info().starts_with("ort-rten"));
    assert_eq!(TensorElementType::Float32.to_string(), "f32");
}
