use std::io::ErrorKind;

use super::*;

fn job() -> WorkerJob {
    WorkerJob {
        shell: None,
        build: 7,
        repository: "acme/app".into(),
        pull: 3,
        sha: "1a2b".repeat(10),
        base_sha: Some("3c4d".repeat(10)),
        base_ref: "main".into(),
        head_ref: "fäncy\n".into(),
        clone_url: String::new(),
        submodules: true,
        mirror: "/mirror".into(),
        room: "/room".into(),
        fresh: false,
        checks: vec![JobCheck {
            index: 0,
            context: "pilotlight".into(),
            run: "make \"test\"".into(),
            timeout: Duration::from_millis(1500),
        }],
        silence: Duration::from_secs(900),
        secrets: vec![("TOKEN".into(), Secret::new("s3cret\n\"value"))],
    }
}

#[test]
fn what_is_written_is_read_again() {
    let took = Duration::new(3, 7);
    let frames = [
        Frame::Job(Box::new(job())),
        Frame::Log(vec![]),
        Frame::Log(vec![0, 255, 10]),
        Frame::Log(vec![7; FRAME_BYTES_MAX as usize]),
        Frame::News(News::CheckStarted { check: 2 }),
        Frame::News(News::CheckFinished { check: 2, end: CheckEnd::TimedOut(took), took }),
        Frame::News(News::Done { error: Some("why".into()) }),
    ];
    let mut wire = Vec::new();
    for frame in &frames {
        frame.write(&mut wire).unwrap();
    }
    let mut rest = &wire[..];
    for frame in frames {
        assert_eq!(Frame::read(&mut rest).unwrap(), Some(frame));
    }
    assert_eq!(Frame::read(&mut rest).unwrap(), None);
}

#[test]
fn broken_frames_say_what_is_wrong() {
    let table: [(&[u8], ErrorKind, &str); 7] = [
        (b"\x02", ErrorKind::UnexpectedEof, "the stream ended inside a frame: 1 of 5 bytes of its head came"),
        (
            b"\x02\0\0\0\x03ab",
            ErrorKind::UnexpectedEof,
            "the stream ended inside a frame: 2 of 3 bytes of its body came",
        ),
        (b"\x02\0\0\0\x01", ErrorKind::UnexpectedEof, "the stream ended inside a frame: 0 of 1 bytes of its body came"),
        (b"\x02\0\x10\0\x01", ErrorKind::InvalidData, "a frame of 1048577 bytes is over the limit of 1048576"),
        (b"\x02\xff\xff\xff\xff", ErrorKind::InvalidData, "a frame of 4294967295 bytes is over the limit of 1048576"),
        (b"\x09\0\0\0\0", ErrorKind::InvalidData, "there is no frame of kind 9"),
        (
            b"\x03\0\0\0\x01{",
            ErrorKind::InvalidData,
            "a news frame is not understood: EOF while parsing an object at line 1 column 1",
        ),
    ];
    for (mut wire, kind, message) in table {
        let error = Frame::read(&mut wire).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    }
}

#[test]
fn a_frame_too_long_to_be_read_is_not_written() {
    let mut wire = Vec::new();
    let error = Frame::Log(vec![0; FRAME_BYTES_MAX as usize + 1]).write(&mut wire).unwrap_err();
    assert_eq!(error.to_string(), "a frame of 1048577 bytes is over the limit of 1048576");
    assert!(wire.is_empty());
}
