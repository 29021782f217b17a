//! Paths below an order's metadata, as an account's keys name them.

use serde_json::Value;

/// A path, without the `metadata` that it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataPath(Vec<String>);

impl MetadataPath {
    /// The path to a key of the metadata itself.
    pub(crate) fn key(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// Checks what was written; `example` is what could have been.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub(crate) fn read(path: &str, example: &str) -> Result<Self, String> {
        let mut parts = path.split('.').map(str::to_owned);
        let below = parts.next().filter(|first| first == "metadata");
        let rest: Vec<String> = parts.collect();
        match below {
            Some(_) if !rest.is_empty() && !rest.contains(&String::new()) => Ok(Self(rest)),
            _ => Err(format!(
                "{path:?} is not a path below the order's metadata: use for example \"{example}\""
            )),
        }
    }

    /// The text at the end of the path; `None` where there is none, or an empty one.
    pub(crate) fn text<'v>(&self, metadata: &'v Value) -> Option<&'v str> {
        let mut at = metadata;
        for part in &self.0 {
            at = at.get(part)?;
        }
        at.as_str().filter(|text| !text.is_empty())
    }
}
