//! The stream between builder and worker: whatever a worker's child could write into it, reading ends, keeps to the
//! limit, and what was understood is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight::worker::protocol::{Frame, News, WorkerJob};

fuzz_target!(|input: (u8, &[u8])| {
    match input {
        (0, json) => drop(serde_json::from_slice::<News>(json).map(|news| written_and_read(Frame::News(news)))),
        (1, json) => drop(serde_json::from_slice::<Box<WorkerJob>>(json).map(|job| written_and_read(Frame::Job(job)))),
        (2, stream) => read_all(stream),
        // A head that fits, so that mutations reach the body.
        (kind, body) => {
            let length = u32::try_from(body.len()).expect("inputs are small").to_be_bytes();
            read_all(&[&[kind % 5], &length[..], body].concat());
        }
    }
});

fn read_all(mut stream: &[u8]) {
    while let Ok(Some(frame)) = Frame::read(&mut stream) {
        written_and_read(frame);
    }
}

fn written_and_read(frame: Frame) {
    let mut wire = Vec::new();
    frame.write(&mut wire).expect("what was read is short enough to be written");
    assert_eq!(Frame::read(&mut &wire[..]).expect("our own frame"), Some(frame));
    assert!(Frame::read(&mut &wire[..wire.len() - 1]).is_err(), "a torn frame is none");
}
