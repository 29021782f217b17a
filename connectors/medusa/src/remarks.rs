//! Where the shop keeps what the customer wrote.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::metadata::MetadataPath;

/// One path or several, as written in TOML.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Written {
    /// `"metadata.customer_note"`.
    One(String),
    /// In order; the first that holds text counts.
    Several(Vec<String>),
}

/// Paths below the order's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remarks(Vec<MetadataPath>);

impl Default for Remarks {
    fn default() -> Self {
        Self(vec![
            MetadataPath::key("remarks"),
            MetadataPath::key("notes"),
        ])
    }
}

impl Remarks {
    /// Checks what was written.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub(crate) fn read(written: Written) -> Result<Self, String> {
        let paths = match written {
            Written::One(path) => vec![path],
            Written::Several(paths) => paths,
        };
        let read = |path: &String| MetadataPath::read(path, "metadata.customer_note");
        Ok(Self(paths.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// The first text of an order's metadata that one of the paths holds; empty without any.
    pub(crate) fn of(&self, metadata: &Value) -> String {
        let mut texts = self.0.iter().filter_map(|path| path.text(metadata));
        texts.next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn read(paths: &[&str]) -> Remarks {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Remarks::read(Written::Several(paths)).unwrap()
    }

    #[test]
    fn the_first_path_that_holds_text_counts() {
        let metadata = json!({ "customer_note": "至急", "checkout": { "note": "inside" }, "notes": "old", "remarks": "" });
        assert_eq!(read(&["metadata.customer_note"]).of(&metadata), "至急");
        assert_eq!(
            read(&[
                "metadata.none",
                "metadata.checkout",
                "metadata.checkout.note"
            ])
            .of(&metadata),
            "inside"
        );
        assert_eq!(Remarks::default().of(&metadata), "old");
        assert_eq!(read(&[]).of(&metadata), "");
        assert_eq!(Remarks::default().of(&Value::Null), "");
    }

    #[test]
    fn only_paths_below_the_metadata_are_taken() {
        for path in ["metadata", "note", "metadata..a", "", "customer.metadata.a"] {
            let said = Remarks::read(Written::One(path.to_owned())).unwrap_err();
            assert!(said.contains("metadata.customer_note"), "{said}");
        }
    }
}
