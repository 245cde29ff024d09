//! A step allocates nothing.

mod common;

use allocation_counter::measure;
use common::{Character, Table, field, file, node, number};
use lstm_engine::{Input, Numbers, Plan, Session, onnx_view::Model};

#[test]
fn runs_of_the_same_shape_allocate_nothing() {
    for (layers, table) in [(1, Table::Identity), (3, Table::Embedding(40))] {
        let model = Character::new(layers, 32, 20, table);
        let mut session = Session::new(model.plan(), 1);
        for [time, batch] in [[1, 1], [9, 4]] {
            let (ids, state) = model.inputs(time, batch);
            let shape = [layers, batch, 32];
            let [h, c] = state.each_ref().map(|state| Input { shape: &shape, numbers: Numbers::Floats(state) });
            let inputs = [Input { shape: &[time, batch], numbers: Numbers::Longs(&ids) }, h, c];
            session.run(&inputs).unwrap();
            let counted = measure(|| (0..50).for_each(|_| session.run(&inputs).unwrap()));
            assert_eq!(counted.count_total, 0, "{layers} layers, {time} steps of {batch}");
        }
    }
}

#[test]
fn a_hostile_file_takes_memory_in_proportion_to_its_size() {
    let many = |part: Vec<u8>| part.repeat(300_000);
    let names: Vec<String> = (0..300_000).map(|index| index.to_string()).collect();
    let files = [
        ("empty nodes", file("x", "y", &[many(field(1, []))])),
        ("empty tensors", file("x", "y", &[many(field(5, []))])),
        ("empty ports", file("x", "y", &[many(field(11, []))])),
        ("empty attributes", file("x", "y", &[field(1, many(field(5, [])))])),
        ("outputs", file("x", "y", &[node("Split", "x", &names.join(" "), &[])])),
        (
            "axes",
            file("x", "y", &[node("Squeeze", "x", "y", &[[field(1, "axes"), field(8, vec![1; 900_000])].concat()])]),
        ),
        ("dimensions", file("x", "y", &[field(5, many(number(1, 1)))])),
        ("properties", [file("x", "y", &[]), many(field(14, []))].concat()),
    ];
    for (what, file) in files {
        let mut outcome = Ok(());
        let counted = measure(|| {
            let compile = |model| Plan::compile(&model).map(drop).map_err(|error| error.to_string());
            outcome = Model::read(&file).map_err(|error| error.to_string()).and_then(compile);
        });
        assert!(outcome.is_err(), "{what}");
        let factor = counted.bytes_max / file.len() as u64;
        assert!(factor < 200, "{what}: {} bytes took {factor} times as many", file.len());
    }
}
