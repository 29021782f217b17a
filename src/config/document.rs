//! The policy as a document and its hash: two daemons with the same hash decide the same.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::policy::{Policy, Retention};

/// The policy, how long what names somebody is kept, and the account tables; secrets are only named in them.
///
/// # Errors
/// serde's, which these types do not provoke.
pub(super) fn document(
    policy: &Policy,
    retention: Retention,
    accounts: &Map<String, Value>,
) -> Result<Value, serde_json::Error> {
    let seconds = |kept: Option<chrono::Duration>| kept.map(|kept| kept.num_seconds());
    let kept = json!({
        "raw": seconds(retention.raw),
        "personal": seconds(retention.personal),
        "quarantine": seconds(retention.quarantine),
    });
    Ok(json!({ "policy": serde_json::to_value(policy)?, "retention": kept, "accounts": accounts }))
}

/// SHA-256 of the canonical text: keys sorted, no blanks.
pub(super) fn hash(document: &Value) -> [u8; 32] {
    let mut text = String::new();
    write(document, &mut text);
    Sha256::digest(text.as_bytes()).into()
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(table) => {
            let mut keys: Vec<&String> = table.keys().collect();
            keys.sort();
            text.push('{');
            for key in keys {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                table
                    .get(key)
                    .into_iter()
                    .for_each(|value| write(value, text));
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}
