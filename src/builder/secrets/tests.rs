use tempfile::TempDir;

use super::*;

#[test]
fn what_stands_in_the_file_counts_and_what_is_wrong_is_told_without_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("it");
    let secret = SecretFile { name: "NPM_TOKEN".to_owned(), file: file.clone() };
    let found = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let found = read(std::slice::from_ref(&secret)).map(|read| read[0].1.expose().to_owned());
        found.map_err(|error| error.replace(&file.display().to_string(), "FILE"))
    };
    for (bytes, expected) in [
        (&b"tok-123456"[..], "tok-123456"),
        (b"tok-123456\n", "tok-123456"),
        (b"tok-123456\r\n", "tok-123456"),
        (b" tok\n123456 \n\n", " tok\n123456 \n"),
    ] {
        assert!(found(bytes).as_deref() == Ok(expected));
    }
    for (bytes, expected) in [
        (&b""[..], "secret NPM_TOKEN: FILE is empty: write the secret into it"),
        (b" \n", "secret NPM_TOKEN: FILE is empty: write the secret into it"),
        (b"12345\n", "secret NPM_TOKEN: FILE holds fewer than 6 bytes: what is so short can't be masked in logs"),
        (b"tok-\x00123", "secret NPM_TOKEN: FILE holds a zero byte, which no variable can"),
        (&[b'x'; 16 * 1024 + 1], "secret NPM_TOKEN: FILE is larger than 16384 bytes"),
        (
            b"tok-\xff123",
            "secret NPM_TOKEN: FILE can't be read (stream did not contain valid UTF-8): make it a file of the daemon's user",
        ),
    ] {
        assert_eq!(found(bytes).err().as_deref(), Some(expected));
    }
    assert!(found(&[b'x'; 16 * 1024]).is_ok());
    fs::remove_file(&file).unwrap();
    let words = read(std::slice::from_ref(&secret)).unwrap_err();
    assert!(words.contains("can't be read (No such file or directory (os error 2)): make it"), "{words}");
    fs::create_dir(&file).unwrap();
    assert!(read(&[secret]).unwrap_err().ends_with("it is no file"));
    assert_eq!(format!("{:?}", Secret::new("tok-123456")), "(secret)");
}
