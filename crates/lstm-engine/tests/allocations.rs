//! A step allocates nothing.

mod common;

use allocation_counter::measure;
use common::{Character, Table};
use lstm_engine::{Input, Numbers, Session};

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
