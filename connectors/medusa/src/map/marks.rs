//! What the configuration knows an order by: tags, and whether it is a test.

use serde_json::Value;

use crate::config::TestMark;
use crate::wire::Order;

/// The tags of the order that are named, sorted. The shop has none of its own: `metadata.tags` holds them, as a list or
/// as words with commas between.
pub(super) fn tags(order: &Order, named: &[String]) -> Vec<String> {
    let told: Vec<&str> = match order.metadata.get("tags") {
        Some(Value::String(words)) => words.split(',').map(str::trim).collect(),
        Some(Value::Array(words)) => words
            .iter()
            .filter_map(Value::as_str)
            .map(str::trim)
            .collect(),
        _ => Vec::new(),
    };
    let mut tags: Vec<String> = named
        .iter()
        .filter(|tag| told.contains(&tag.as_str()))
        .cloned()
        .collect();
    tags.sort();
    tags.dedup();
    tags
}

/// Whether the order was placed to try the shop out.
pub(super) fn test(order: &Order, mark: Option<&TestMark>) -> bool {
    match mark {
        None => false,
        Some(TestMark::Metadata(key)) => order.metadata.get(key).is_some_and(is_yes),
        Some(TestMark::SalesChannel(id)) => order.sales_channel_id.as_ref() == Some(id),
    }
}

fn is_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(word) => matches!(
            word.trim().to_ascii_lowercase().as_str(),
            "true" | "yes" | "1"
        ),
        _ => false,
    }
}
