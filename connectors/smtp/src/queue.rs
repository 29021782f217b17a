//! Under which id a mail server has taken a mail, found in what it says of it; pure.

/// What announces a queue id, the surest first: Postfix and who writes as it does, Exchange, Exim.
const ANNOUNCED: [&str; 3] = ["queued as ", "internalid=", "id="];

/// Fewest bytes of a queue id that nothing announces.
const SHORTEST: usize = 6;

/// Fewest bytes by which a part of an address is known again within something longer.
const TELLING: usize = 4;

/// The queue id in the reply to a message: the word that is announced as one, else of its words the longest that a program may have
/// made. There is no form of the reply that all servers share, and the rest of it is text, which may repeat a name. What tells a
/// part of the recipient's address is no id.
pub(crate) fn queue_id(reply: &str, recipient: &str) -> Option<String> {
    let recipient = recipient.to_lowercase();
    let is_ours = |word: &&str| is_id(word) && !names(word, &recipient);
    let alone = words(reply).filter(is_ours).filter(|word| is_clear(word));
    // Of two that are as long, the first.
    let longest = alone.reduce(|one, other| if other.len() > one.len() { other } else { one });
    let announced = announced(reply).into_iter().find(is_ours);
    announced.or(longest).map(str::to_owned)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "=<>;,()[]{}".contains(c))
        .map(|word| word.trim_matches(['.', ':']))
        .filter(|word| !word.is_empty())
}

/// The words that follow what announces an id.
fn announced(reply: &str) -> Vec<&str> {
    let lower = reply.to_ascii_lowercase();
    let mut found: Vec<&str> = Vec::new();
    for mark in ANNOUNCED {
        for (at, _) in lower.match_indices(mark) {
            if !lower[..at].ends_with(char::is_alphanumeric) {
                found.extend(words(&reply[at + mark.len()..]).next());
            }
        }
    }
    found
}

/// Letters alone may be a name; an address has its @.
fn is_id(word: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    word.bytes().all(fits) && word.bytes().any(|b| b.is_ascii_digit()) && !is_host(word)
}

/// One that nothing announces: a number alone may be a phone number, and with more dots or colons it is a host's address or a time.
fn is_clear(word: &str) -> bool {
    let few = |c: char| word.matches(c).count() < 2;
    word.len() >= SHORTEST && word.bytes().any(|b| b.is_ascii_alphabetic()) && few('.') && few(':')
}

/// A host's name, also before a port: its last label is letters.
fn is_host(word: &str) -> bool {
    let is_name = |part: &str| {
        let last = part.rsplit_once('.').map_or("", |(_, last)| last);
        !last.is_empty() && last.bytes().all(|b| b.is_ascii_alphabetic())
    };
    word.split([':', '/']).any(is_name)
}

/// Whether a word tells a part of an address in lower case, also behind a `for:` or with more around it.
fn names(word: &str, recipient: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let local = recipient.rsplit_once('@').map_or(recipient, |(of, _)| of);
    let (joined, local_joined): (String, String) = (runs(&word).collect(), runs(local).collect());
    let is_telling = |part: &&str| part.len() >= TELLING;
    let mut parts = runs(recipient).chain([local_joined.as_str()]);
    recipient.contains(&word)
        || runs(&word).any(|run| is_telling(&run) && recipient.contains(run))
        || runs(&word).any(|run| runs(local).any(|part| part == run))
        || parts.any(|part| is_telling(&part) && joined.contains(part))
}

/// Its runs of letters and digits.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|run| !run.is_empty())
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
            (
                "2.6.0 <***@***> [InternalId=24515238297601, Hostname=TYCPR01MB1234.jpnprd01.prod.outlook.com] 8123 bytes in 0.2, 40 KB/sec Queued mail for delivery",
                "24515238297601",
            ),
            (
                "2.6.0 <***@***> [InternalId=24515, Hostname=EX01.corp.local] Queued mail for delivery",
                "24515",
            ),
            (
                "2.0.0 Ok: queued as 4F3A1BC2D3 on mx-out-01.relay.test",
                "4F3A1BC2D3",
            ),
            ("2.0.0 Ok: Queued As 9831742056", "9831742056"),
            (
                "2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4F3A1BC2D3",
                "4F3A1BC2D3",
            ),
            ("Message ID=<4F3A> stored on mx-out-01", "4F3A"),
            ("id=spam, id=1rABCd-0001Xy-Ab", "1rABCd-0001Xy-Ab"),
            (
                "2.0.0 0b1f3c2d Message accepted for delivery by mx-out-01.relay.test",
                "0b1f3c2d",
            ),
            (
                "Message Queued (C3A1B2D4-1234-4ABC-8DEF-0123456789AB.1)",
                "C3A1B2D4-1234-4ABC-8DEF-0123456789AB.1",
            ),
            ("id=hanako1990 queued 4F3A1BC2D3", "4F3A1BC2D3"),
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
            "ok 1700000000 qp 12345",
            "2.0.0 accepted by mx-out-01.relay.test",
            "2.0.0 accepted by mx01.relay",
            "2.0.0 accepted by mx01.relay:25",
            "2.0.0 accepted by 2001:db8::25 at 12:30:45Z",
            "queued as mx01.relay",
            "queued as draft",
        ] {
            assert_eq!(found(reply), None, "{reply}");
        }
    }

    #[test]
    fn what_tells_a_part_of_the_recipient_is_no_queue_id() {
        for (reply, recipient) in [
            ("queued for:hanako1990", "hanako1990@example.test"),
            ("queued for:Hanako19", "hanako1990@example.test"),
            ("queued rcpt/HANAKO1990", "hanako1990@example.test"),
            ("queued hanako1990-1700000000", "hanako1990@example.test"),
            ("queued 1xhanako1990x", "hanako1990@example.test"),
            ("queued as hanako1990", "hanako1990@example.test"),
            ("ok id=hanako1990", "hanako1990@example.test"),
            ("queued as 1990", "hanako1990@example.test"),
            ("queued for:m1990x", "taro.m1990x@example.test"),
            ("queued for:taro1990", "taro.1990@example.test"),
            ("queued for:ta1ro9", "ta1.ro9@example.test"),
            ("queued mailbox-bob-1", "bob@example.test"),
            ("queued for:09012345678", "09012345678@docomo.example"),
            ("queued as 09012345678", "09012345678@docomo.example"),
            ("queued docomo-4F3A1B", "taro@docomo.example"),
            ("queued for:taro/y1990", "\"taro..y1990\"@docomo.example"),
        ] {
            assert_eq!(queue_id(reply, recipient), None, "{reply}");
        }
        // A short name is known again only where it stands apart.
        let found = queue_id("2.0.0 Ok: queued as 4F3A1BC2D3", "a1@example.test");
        assert_eq!(found.as_deref(), Some("4F3A1BC2D3"));
    }
}
