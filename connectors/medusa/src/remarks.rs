//! Where the shop keeps what the customer wrote.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

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
pub struct Remarks(Vec<Vec<String>>);

impl Default for Remarks {
    fn default() -> Self {
        Self(vec![vec!["remarks".to_owned()], vec!["notes".to_owned()]])
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
        let mut read = Vec::new();
        for path in paths {
            let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
            match parts.split_first() {
                Some((first, rest))
                    if first == "metadata"
                        && !rest.is_empty()
                        && !rest.contains(&String::new()) =>
                {
                    read.push(rest.to_vec());
                }
                _ => {
                    return Err(format!(
                        "{path:?} is no path below the order's metadata: write for example \"metadata.customer_note\""
                    ));
                }
            }
        }
        Ok(Self(read))
    }

    /// The first text of an order's metadata that one of the paths holds; empty without any.
    pub(crate) fn of(&self, metadata: &Value) -> String {
        let mut texts = self.0.iter().filter_map(|path| {
            let mut at = metadata;
            for part in path {
                at = at.get(part)?;
            }
            at.as_str().filter(|text| !text.is_empty())
        });
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
