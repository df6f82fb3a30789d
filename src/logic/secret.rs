//! What must not be seen, and what it is called.

use std::fmt;
use std::path::PathBuf;

/// Text that must not be seen: it has no `Display`, is not serialized by itself, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A variable for the builds of a repository's own heads, and the file that holds its value. The value is read when a
/// build starts; neither rows nor decisions ever hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    pub name: String,
    /// Absolute.
    pub file: PathBuf,
}

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("(secret)")
    }
}
