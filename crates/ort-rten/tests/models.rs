//! Models that rten runs behind `ort`.

mod common;

use common::{Inputs, assert_close, environment, expected, fixture, open, refusal, results};
use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::{Tensor, TensorRef},
};

#[test]
fn results_are_those_of_onnx_runtime_with_and_without_optimisation() {
    let inputs = Inputs::new();
    assert_close(&results(&inputs.run(&mut open("character.onnx")).unwrap()), &expected(), 1e-6);
    let builder = Session::builder(environment()).unwrap().with_optimization_level(GraphOptimizationLevel::Disable);
    let mut session = builder.unwrap().commit_from_file(fixture("character.onnx")).unwrap();
    assert_close(&results(&inputs.run(&mut session).unwrap()), &expected(), 1e-6);
}

#[test]
fn integers_beyond_32_bits_are_refused() {
    let mut session = open("character.onnx");
    let mut inputs = Inputs::new();
    inputs.ids[4] = i64::from(i32::MAX) + 1;
    let error = inputs.run(&mut session).unwrap_err().to_string();
    assert!(error.contains(r#"element 4 of "ids" is 2147483648; rten computes with 32-bit"#), "{error}");
    inputs.ids[4] = 11;
    let error = inputs.run(&mut session).unwrap_err().to_string();
    assert!(error.contains("cannot run the model"), "{error}");
    assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
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
fn weights_among_the_inputs_of_an_old_file_are_no_inputs() {
    let mut session = open("old.onnx");
    assert_eq!(session.inputs().iter().map(ort::value::Outlet::name).collect::<Vec<_>>(), ["x"]);
    let input = TensorRef::from_array_view(([3], &[1.0_f32, 2.0, 3.0][..])).unwrap();
    let outputs = session.run(ort::inputs![input]).unwrap();
    assert_eq!(outputs["y"].try_extract_tensor::<f32>().unwrap().1, [2.0, 4.0, 6.0]);
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
fn an_operator_that_is_missing_is_named() {
    let bytes = std::fs::read(fixture("unknown_operator.onnx")).unwrap();
    let error = refusal(&bytes);
    assert!(error.contains("rten cannot load the model") && error.contains("Frobnicate"), "{error}");
    let error = refusal(&std::fs::read(fixture("unknown_opset.onnx")).unwrap());
    assert!(error.contains("the ONNX file uses operator set 999"), "{error}");
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
