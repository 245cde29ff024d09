//! Writing a character allocates nothing on this side of the engine.

use allocation_counter::measure;
use decoding::Options;
use sampler::{Engine, Model, Plan, Sampler, Writer};

fn model(name: &str) -> Model {
    Model::open(format!("{}/tests/data/{name}.onnx", env!("CARGO_MANIFEST_DIR")), &Engine::default()).unwrap()
}

#[test]
fn a_character_costs_no_allocation_beyond_those_of_the_engine() {
    const CHARACTERS: usize = 200;
    for name in ["stateful", "window"] {
        let options = Options {
            temperature: 0.8,
            top_k: Some(5),
            top_p: Some(0.9),
            min_p: Some(0.01),
            repetition_penalty: Some(1.1),
            ..Options::default()
        };
        let stops = vec!["no such text".to_string()];
        let plan = Plan { options, length: usize::MAX, stops, ..Plan::default() };
        let mut sampler = Sampler::new(model(name));
        let mut writer = Writer::new(&plan, &sampler.card().vocabulary, 0).unwrap();
        sampler.feed("abcdedcba").unwrap();
        let mut write = || {
            for _ in 0..CHARACTERS {
                sampler.write(&mut writer).unwrap();
            }
        };
        write(); // buffers reach their sizes
        let ours = measure(write);

        // The engine's own part: the same runs, without choosing and remembering characters.
        let mut network = model(name).network;
        let time = if name == "window" { 5 } else { 1 };
        let mut run = || {
            for _ in 0..CHARACTERS {
                if name == "window" {
                    network.restart(1).unwrap();
                }
                network.run(std::iter::repeat_n(0, time)).unwrap();
            }
        };
        run();
        let engine = measure(run);
        assert_eq!(ours.count_total, engine.count_total, "{name}");
    }
}
