//! Secrets are read when a build starts, so that a file that was changed counts from the next build on.

use std::fs::{self, File};
use std::io::Read;

use super::mask::SECRET_BYTES_MIN;
use crate::logic::secret::{Secret, SecretFile};

/// A secret's size at most, in bytes: a certificate's whole chain fits, and all secrets of a job into its frame.
const SECRET_BYTES_MAX: usize = 16 * 1024;

/// Reads all of them. An error says which can't be given to a build, why, and the cure; never what is in it.
pub fn read(files: &[SecretFile]) -> Result<Vec<(String, Secret)>, String> {
    let read = |file: &SecretFile| {
        let found = read_secret(file).map_err(|error| format!("secret {}: {error}", file.name))?;
        Ok((file.name.clone(), found))
    };
    files.iter().map(read).collect()
}

/// What stands in the file, without one line break at its end; or why it can't be given to a build.
pub fn read_secret(SecretFile { file, .. }: &SecretFile) -> Result<Secret, String> {
    let (shown, mut text) = (file.display(), String::new());
    if fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(format!("{shown} is no file"));
    }
    let read = File::open(file).and_then(|file| file.take(SECRET_BYTES_MAX as u64 + 2).read_to_string(&mut text));
    read.map_err(|error| format!("{shown} can't be read ({error}): make it a file of the daemon's user"))?;
    let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    match text.trim().len() {
        0 => Err(format!("{shown} is empty: write the secret into it")),
        1..SECRET_BYTES_MIN => {
            let why = "what is so short can't be masked in logs";
            Err(format!("{shown} holds fewer than {SECRET_BYTES_MIN} bytes: {why}"))
        }
        _ if text.len() > SECRET_BYTES_MAX => Err(format!("{shown} is larger than {SECRET_BYTES_MAX} bytes")),
        _ if text.contains('\0') => Err(format!("{shown} holds a zero byte, which no variable can")),
        _ => Ok(Secret::new(text)),
    }
}

#[cfg(test)]
mod tests;
