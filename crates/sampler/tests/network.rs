//! Networks of one model: their memory, and that they do not disturb each other.

use sampler::{Engine, Model, Network};

fn model(name: &str) -> Model {
    Model::open(format!("{}/tests/data/{name}.onnx", env!("CARGO_MANIFEST_DIR")), &Engine::default()).unwrap()
}

/// The logits after each of these tokens.
fn read(network: &mut Network, tokens: &[u32]) -> Vec<Vec<f32>> {
    let read = |&token| {
        network.run(std::iter::once(token)).unwrap();
        network.logits().to_vec()
    };
    tokens.iter().map(read).collect()
}

#[cfg(not(feature = "rten"))] // rten allocates its tensors
#[test]
fn a_step_allocates_nothing_through_ort() {
    for name in ["stateful", "window"] {
        let mut network = model(name).network;
        for batch in [1, 3] {
            network.restart(batch).unwrap();
            let mut steps = |count: usize| {
                for _ in 0..count {
                    network.run(std::iter::repeat_n(1, batch)).unwrap();
                    assert!(!network.last_logits(batch - 1).is_empty());
                }
            };
            steps(2); // both states get their memory
            assert_eq!(allocation_counter::measure(|| steps(50)).count_total, 0, "{name}, {batch} texts");
        }
    }
}

#[test]
fn another_network_has_a_state_of_its_own() {
    let mut first = model("stateful").network;
    let expected = read(&mut first, &[1, 2, 3, 4]);
    first.restart(1).unwrap();
    let mut second = first.another().unwrap();
    // Read in turn, each as if it were alone.
    for (step, token) in [1, 2, 3, 4].into_iter().enumerate() {
        for network in [&mut first, &mut second] {
            assert_eq!(read(network, &[token]), expected[step..=step]);
        }
    }
    // The weights live as long as any network does.
    drop(first);
    second.restart(1).unwrap();
    let mut third = second.another().unwrap();
    drop(second);
    assert_eq!(read(&mut third, &[1, 2, 3, 4]), expected);
}

#[test]
fn networks_of_different_models_share_nothing() {
    let [stateful, window] = ["stateful", "window"].map(|name| read(&mut model(name).network, &[1, 2]));
    let (mut first, mut second) = (model("stateful").network, model("window").network);
    assert_eq!(read(&mut first.another().unwrap(), &[1, 2]), stateful);
    assert_eq!(read(&mut second.another().unwrap(), &[1, 2]), window);
    assert_eq!([read(&mut first, &[1, 2]), read(&mut second, &[1, 2])], [stateful, window]);
}

/// A field of a protobuf message.
#[cfg(not(feature = "rten"))]
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    [field, bytes.to_vec()].concat()
}

#[cfg(not(feature = "rten"))] // the messages are those of lstm-engine
#[test]
fn a_hostile_graph_with_a_good_card_is_refused() {
    // Files that once aborted and stalled the program, as a second part of the graph of a model: parts of one message add up.
    let text = |number, text: &str| field(number, text.as_bytes());
    let outputs: Vec<u8> = (0..1_000_000).flat_map(|index| text(2, &index.to_string())).collect();
    let split = field(1, &[text(1, "logits"), outputs, text(4, "Split")].concat());
    let product = field(1, &[text(1, "logits"), text(1, "none"), text(2, "product"), text(4, "MatMul")].concat());
    let none = field(5, &[&[1 << 3, 0, 1 << 3, 21, 2 << 3, 1][..], &text(8, "none"), &field(9, &[])].concat());
    for (part, message) in [
        (split, "a list of more than 65536 items"),
        ([product, none].concat(), "the operator MatMul (node 11): its weights have a dimension of 0"),
    ] {
        let mut bytes = std::fs::read(format!("{}/tests/data/stateful.onnx", env!("CARGO_MANIFEST_DIR"))).unwrap();
        bytes.extend(field(7, &part));
        let error = Model::from_bytes(&bytes, &Engine::default()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_state_survives_a_change_of_shape() {
    let mut network = model("stateful").network;
    let expected = read(&mut network, &[3, 1, 4, 1, 5]).pop().unwrap();
    network.restart(1).unwrap();
    network.run([3, 1].into_iter()).unwrap();
    network.run([4].into_iter()).unwrap();
    let state = network.state(0).unwrap();
    network.run([9, 9].into_iter()).unwrap();
    network.restart(2).unwrap();
    network.set_state(1, &state).unwrap();
    network.run([0, 1].into_iter()).unwrap();
    network.run([0, 5].into_iter()).unwrap();
    for (logit, expected) in network.last_logits(1).iter().zip(expected) {
        assert!((logit - expected).abs() < 1e-5, "{logit} should be {expected}");
    }
}
