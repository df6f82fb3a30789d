//! The names of the box's users.

use std::fs::File;
use std::io::Read;

/// The most that is read, in bytes: thousands of users fit.
const PASSWD_BYTES_MAX: u64 = 1024 * 1024;

/// The name of the user with that id; `uid 1000` when it has none.
pub fn name_of(uid: u32) -> String {
    let mut passwd = Vec::new();
    let read = File::open("/etc/passwd").and_then(|file| file.take(PASSWD_BYTES_MAX).read_to_end(&mut passwd));
    let passwd = read.map_or_else(|_| "".into(), |_| String::from_utf8_lossy(&passwd));
    find(&passwd, uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
}

/// The name of `uid` in a file as passwd(5) has it: `name:password:uid:…`.
pub fn find(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (!name.is_empty() && id.parse() == Ok(uid)).then_some(name)
    })
}
