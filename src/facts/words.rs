//! What an external system answers may repeat the name and address that it was sent. Such words are no part of a fact: they are
//! stored beside it, in `fact_words`, and deleted with the order's address.

use hikiate_sdk::text::without_quotes;
use serde_json::Value;

/// Takes them out of a body that is to be stored. A warehouse's reply is theirs altogether; of an outcome, what stands in
/// quotation marks is, and our own words stay. Returns the whole text.
pub(crate) fn take(kind: &str, body: &mut Value) -> Option<String> {
    let place = place(kind, body)?;
    let Value::String(whole) = place else {
        return None;
    };
    let ours = match kind {
        "reply" | "cancel_reply" => String::new(),
        _ => without_quotes(whole),
    };
    (ours != *whole).then(|| std::mem::replace(whole, ours))
}

/// Puts them back into a body that was stored without.
pub(crate) fn put(kind: &str, body: &mut Value, words: String) {
    if let Some(place) = place(kind, body) {
        *place = Value::String(words);
    }
}

/// Where they are in a body. `hk_without_words` (migration 0065) empties what bodies of before have in these places.
fn place<'b>(kind: &str, body: &'b mut Value) -> Option<&'b mut Value> {
    body.pointer_mut(match kind {
        "reply" | "cancel_reply" | "outcome" => "/message",
        "member" => "/state/message",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_external_system_said_is_taken_out_and_put_back_as_it_was() {
        let said = "the external system answered 422: “田中花子 is unknown”";
        let ours = "the external system answered 422: “…”";
        for (kind, whole, stored) in [
            (
                "reply",
                json!({ "message": "no such 田中花子" }),
                json!({ "message": "" }),
            ),
            (
                "cancel_reply",
                json!({ "message": "gone" }),
                json!({ "message": "" }),
            ),
            (
                "outcome",
                json!({ "message": said }),
                json!({ "message": ours }),
            ),
            (
                "member",
                json!({ "state": { "message": said } }),
                json!({ "state": { "message": ours } }),
            ),
        ] {
            let mut body = whole.clone();
            let words = take(kind, &mut body).unwrap();
            assert_eq!(body, stored, "{kind}");
            put(kind, &mut body, words);
            assert_eq!(body, whole, "{kind}");
        }
    }

    #[test]
    fn our_own_words_and_those_of_other_kinds_stay() {
        for (kind, whole) in [
            ("reply", json!({ "message": "" })),
            ("outcome", json!({ "message": "timed out after 30 s" })),
            ("outcome", json!({ "intent": "x" })),
            ("member", json!({ "state": { "is": "sent_again" } })),
            ("held", json!({ "message": "“a reason”" })),
        ] {
            let mut body = whole.clone();
            assert_eq!(take(kind, &mut body), None, "{kind}");
            assert_eq!(body, whole, "{kind}");
        }
    }
}
