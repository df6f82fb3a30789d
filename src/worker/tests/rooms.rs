//! The room: whose turn it is, and what is found in it.

use super::*;

#[test]
fn one_room_serves_one_build_at_a_time() {
    let bench = Bench::new();
    let script = "mkdir ../home/busy || exit 9; seq 10000 | sort -R | tail -n 1; rmdir ../home/busy";
    let workers: Vec<_> = (0..6).map(|_| Worker::start(&bench.job(&[script]))).collect();
    for worker in workers {
        assert_eq!(worker.outcome().ends, [CheckEnd::Exited(0)]);
    }
}

#[test]
fn who_waits_for_the_room_can_be_stopped() {
    let bench = Bench::new();
    let mut first = Worker::start(&bench.job(&["echo in; exec sleep 1000"]));
    first.line("in");
    Worker::start(&bench.job(&["true"])).stop();
    first.stop();
}
