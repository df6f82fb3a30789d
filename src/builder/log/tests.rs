use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const HEADER: &str = "── one\n";

fn line(bytes: usize) -> String {
    format!("── {bytes} bytes of output are cut here ──\n")
}

/// Writes a section in pieces. Returns what of it is in the file, and the offsets.
fn section(output: &[u8], piece: usize) -> (Vec<u8>, u64, u64) {
    let dir = TempDir::new().unwrap();
    let mut log = Log::create(dir.path(), 1);
    let start = log.section("one");
    output.chunks(piece).for_each(|bytes| log.write(bytes));
    let end = log.end_section();
    let file = fs::read(log_path(dir.path(), 1)).unwrap();
    assert_eq!(file.len() as u64, end);
    (file[start as usize..].to_vec(), start, end)
}

#[test]
fn a_section_keeps_its_head_and_its_tail() {
    let (head, tail) = (LOG_HEAD_BYTES_MAX, LOG_TAIL_BYTES_MAX);
    let whole: Vec<u8> = (0..(head + 5 * tail) as u32).map(|n| (n / 100 * 7) as u8 | 1).collect();
    for piece in [1 << 20, 65_536, 4_099] {
        for (bytes, cut) in [
            (0, 0),
            (100, 0),
            (head, 0),
            (head + 1, 0),
            (head + tail, 0),
            (head + tail + 1, 1),
            (head + 2 * tail + 77, tail + 77),
            (head + 5 * tail, 4 * tail),
        ] {
            let (kept, start, end) = section(&whole[..bytes], piece);
            assert_eq!((start, end), (HEADER.len() as u64, start + kept.len() as u64), "{bytes}");
            if cut == 0 {
                assert!(kept == whole[..bytes], "{bytes} in pieces of {piece}");
                continue;
            }
            let expected = [&whole[..head], b"\n", line(cut).as_bytes(), &whole[bytes - tail..bytes]].concat();
            assert!(kept == expected, "{bytes} in pieces of {piece}");
        }
    }
}

#[test]
fn every_section_has_its_own_bounds_and_a_line_of_its_own() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::create(dir.path(), 1);
    log.write(b"before");
    let first = log.section("lint: a\u{1b}b");
    log.write(&vec![b'x'; LOG_HEAD_BYTES_MAX + LOG_TAIL_BYTES_MAX + 3]);
    let end = log.end_section();
    let second = log.section("test");
    log.write(b"y");
    assert_eq!(log.end_section(), second + 1);
    let file = String::from_utf8(fs::read(log_path(dir.path(), 1)).unwrap()).unwrap();
    assert_eq!(&file[..first as usize], "before\n── lint: a b\n");
    assert!(file[first as usize..end as usize].contains(&line(3)));
    assert_eq!(&file[end as usize..], "\n── test\ny");
}

#[test]
fn output_is_there_while_it_is_written_and_a_new_run_starts_anew() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::create(dir.path(), 1);
    log.write(b"now");
    let path = log_path(dir.path(), 1);
    assert_eq!(fs::read(&path).unwrap(), b"now");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Log::create(dir.path(), 1).section("a"), "── a\n".len() as u64);
    assert_eq!(fs::read(&path).unwrap(), "── a\n".as_bytes());
}

#[test]
fn a_log_that_cannot_be_written_holds_nothing_up() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let mut log = Log::create(&file, 1);
    assert_eq!(log.section("a"), 0);
    log.write(b"b");
    assert_eq!(log.end_section(), 0);

    // A card that is full in mid-build: the offsets stay inside of what was written.
    let mut log = Log::create(dir.path(), 1);
    log.write(b"12345");
    log.file = Some(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    log.write(b"678");
    assert_eq!((log.end_section(), log.file.is_none()), (0, true));
}

#[test]
fn lines_are_bounded_too() {
    let lines = LOG_HEAD_LINES_MAX + 3 * LOG_TAIL_LINES_MAX;
    for piece in [1 << 20, 4_099] {
        let (kept, ..) = section(&vec![b'\n'; lines], piece);
        let expected =
            [vec![b'\n'; LOG_HEAD_LINES_MAX], line(2 * LOG_TAIL_LINES_MAX).into(), vec![b'\n'; LOG_TAIL_LINES_MAX]];
        assert!(kept == expected.concat(), "{} bytes in pieces of {piece}", kept.len());
    }
}

#[test]
fn a_build_of_many_long_checks_has_a_bounded_log() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::create(dir.path(), 1);
    let long = vec![b'x'; LOG_HEAD_BYTES_MAX + 2 * LOG_TAIL_BYTES_MAX];
    for _ in 0..10 {
        let start = log.section("long");
        log.write(&long);
        assert!(log.end_section() >= start + LOG_TAIL_BYTES_MAX as u64);
    }
    let length = fs::metadata(log_path(dir.path(), 1)).unwrap().len() as usize;
    let most = LOG_HEADS_BYTES_MAX + 10 * (LOG_TAIL_BYTES_MAX + 100);
    assert!((LOG_HEADS_BYTES_MAX..most).contains(&length), "{length}");
}

#[test]
fn half_a_secret_before_a_gap_is_not_told() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::create(dir.path(), 1);
    let secret = crate::logic::secret::Secret::new("tok-0123456789");
    log.mask(Mask::new([&secret].into_iter()));
    log.write(b"got tok-0123");
    log.skip(100);
    log.write(b"and tok-0123");
    let end = log.end_section();
    let file = String::from_utf8(fs::read(log_path(dir.path(), 1)).unwrap()).unwrap();
    // Whether the last one would have gone on nobody knows: a section's own end hides nothing.
    assert_eq!(file, format!("got \n{}and tok-0123", line(108)));
    assert_eq!(end, file.len() as u64);
}
