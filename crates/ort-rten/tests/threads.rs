//! Sessions on many threads, and the caller within a pool.

mod common;

use common::{Inputs, assert_close, expected, open, results};

#[test]
fn sessions_on_several_threads_do_not_disturb_each_other() {
    let work = || {
        let mut session = open("character.onnx");
        for _ in 0..20 {
            assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
        }
        session
    };
    let sessions: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    // A session can be used and dropped on another thread than the one that opened it.
    for mut session in sessions {
        assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
    }
}

#[test]
fn within_a_pool_runs_stay_on_the_calling_thread() {
    let outside = std::thread::current().id();
    let inside = ort_rten::within_pool(1, || {
        let thread = std::thread::current().id();
        let mut session = open("character.onnx");
        assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
        // Nested: a pool of its own, and then the outer one again.
        let nested = ort_rten::within_pool(1, || {
            assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
            std::thread::current().id()
        });
        assert_ne!(thread, nested);
        assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
        thread
    });
    assert_ne!(outside, inside);
    assert_eq!(ort_rten::within_pool(0, || std::thread::current().id()), outside);
}

#[test]
fn a_panic_within_a_pool_comes_out_of_it() {
    let outcome = std::panic::catch_unwind(|| ort_rten::within_pool(1, || panic!("ahoy")));
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"ahoy"));
    // And the thread that called is as it was.
    let mut session = open("character.onnx");
    assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
}

#[test]
fn threads_of_any_number_give_the_same_results() {
    for threads in [0, 1, 2, 3] {
        let builder = ort::session::Session::builder(common::environment()).unwrap();
        let mut builder = builder.with_intra_threads(threads).unwrap();
        let mut session = builder.commit_from_file(common::fixture("character.onnx")).unwrap();
        assert_close(&results(&Inputs::new().run(&mut session).unwrap()), &expected(), 1e-6);
    }
}
