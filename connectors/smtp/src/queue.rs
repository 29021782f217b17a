//! Under which id a mail server has taken a mail, found in what it says of it; pure.

/// Fewest bytes of a queue id.
const SHORTEST: usize = 6;

/// The queue id in the reply to a message: of its words the longest that a program may have made. There is no form of the reply that
/// all servers share, and the rest of it is text, which may repeat a name. What is a part of the recipient's address is no id.
pub(crate) fn queue_id(reply: &str, recipient: &str) -> Option<String> {
    let recipient = recipient.to_ascii_lowercase();
    let words = reply
        .split(|c: char| c.is_whitespace() || "=<>;,()[]{}".contains(c))
        .map(|word| word.trim_end_matches(['.', ':']))
        .filter(|word| is_id(word) && !recipient.contains(&word.to_ascii_lowercase()));
    // Of two that are as long, the first.
    let longest = words.reduce(|one, other| if other.len() > one.len() { other } else { one });
    longest.map(str::to_owned)
}

/// A number alone may be a phone number, letters alone a name; an address has its @.
fn is_id(word: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    word.len() >= SHORTEST
        && word.bytes().all(fits)
        && word.bytes().any(|b| b.is_ascii_alphabetic())
        && word.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::queue_id;

    fn found(reply: &str) -> Option<String> {
        queue_id(reply, "hanako1990@example.test")
    }

    #[test]
    fn the_queue_id_is_found_however_a_server_says_it() {
        for (reply, id) in [
            ("2.0.0 Ok: queued as 4F3A1BC2D3", "4F3A1BC2D3"),
            ("2.0.0 Ok: queued as 4F3A1BC2D3.", "4F3A1BC2D3"),
            ("OK id=1rABCd-0001Xy-Ab", "1rABCd-0001Xy-Ab"),
            (
                "2.0.0 OK  1700000000 d2e1a72fcca58-6be4da5dsi123.4 - gsmtp",
                "d2e1a72fcca58-6be4da5dsi123.4",
            ),
            (
                "Ok 0106018c2f3a4b5d-1a2b3c4d-0000-4111-8222-0123456789ab-000000",
                "0106018c2f3a4b5d-1a2b3c4d-0000-4111-8222-0123456789ab-000000",
            ),
            (
                "2.0.0 3TqX5k1234zABC Message accepted for delivery",
                "3TqX5k1234zABC",
            ),
            ("queued (id: a1b2c3d4); thank you", "a1b2c3d4"),
            ("<hanako1990@example.test> queued as 4F3A1B", "4F3A1B"),
            ("4F3A1B for hanako1990 at example.test", "4F3A1B"),
            ("a1b2c3 d4e5f6", "a1b2c3"),
        ] {
            assert_eq!(found(reply).as_deref(), Some(id), "{reply}");
        }
    }

    #[test]
    fn what_is_no_queue_id_is_none() {
        for reply in [
            "",
            "2.0.0 taken",
            "2.6.0 Message accepted for delivery",
            "queued for 見本 花子",
            "queued for 見本花子1990",
            "queued for 03-1234-5678",
            "queued for Mihon Hanako",
            "queued for someone2@example.test",
            "queued for Hanako1990 (example.test)",
            "as 4F3A1",
            "2.0.0 ***@*** 4F3A1BC2D3…",
        ] {
            assert_eq!(found(reply), None, "{reply}");
        }
    }
}
