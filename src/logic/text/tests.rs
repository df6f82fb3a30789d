use super::*;

#[test]
fn log_text() {
    for (bytes, expected) in [
        (&b"plain\ttext\n"[..], "plain\ttext\n"),
        (b"\x1b[1;31mred\x1b[m", "red"),
        (b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink"),
        (b"\x1bPq#0\x1b\\a\x1b(Bb\x1b7c", "abc"),
        (b"\x1b]0;never ends\nnext", "␛]0;never ends\nnext"),
        (b"\x1b[31\nnext \x1b", "␛[31\nnext ␛"),
        (b"\x1b]a\x1b[mb", "␛]ab"),
        (b"1%\r2%\r\ndone\r\n", "1%\n2%\ndone\n"),
        (b"\0\x08\x7f\x0c", "␀␈␡␌"),
        (b"\xe2\x82", "\u{fffd}"),
        ("\u{9b}31m \u{85} ü \u{61c}".as_bytes(), "[U+009B]31m [U+0085] ü [U+061C]"),
        (b"\x1b]\xc3\xbc\x07ok", "ok"),
        (b"", ""),
    ] {
        assert_eq!(log(bytes), expected);
    }
}
