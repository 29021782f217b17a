//! The recipient's address as SMTP takes it.

use lettre::Address;

/// Reads the address that a channel told. A local part with dots where RFC 5321 allows none, as Japanese mobile carriers
/// gave out until 2009 (`taro..y@`, `hanako.@`), is quoted, by which it names the same mailbox; one that is quoted already
/// stays as it is. `None` for anything else that is no address.
pub(crate) fn recipient(told: &str) -> Option<Address> {
    let (local, domain) = told.trim().rsplit_once('@')?;
    if is_quoted(local) {
        return Address::new(local, domain).ok();
    }
    let atom = |part: &str| part.bytes().all(is_atom_byte);
    if !local.is_ascii() {
        // For servers with SMTPUTF8.
        return Address::new(local, domain).ok();
    }
    if !local.split('.').all(atom) || local.is_empty() {
        return None;
    }
    let misplaced = local.split('.').any(str::is_empty);
    let local = if misplaced {
        format!("\"{local}\"")
    } else {
        local.to_owned()
    };
    Address::new(local, domain).ok()
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// A quoted string of visible characters and spaces, with `"` and `\` behind a `\`.
fn is_quoted(local: &str) -> bool {
    let Some(inner) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) else {
        return false;
    };
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        let plain = (b' '..=b'~').contains(&byte) && byte != b'"';
        let whole = byte != b'\\' || bytes.next().is_some_and(|b| (b' '..=b'~').contains(&b));
        if !plain || !whole {
            return false;
        }
    }
    !inner.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(told: &str) -> Option<String> {
        recipient(told).map(|address| address.to_string())
    }

    #[test]
    fn dots_that_carriers_allowed_are_quoted() {
        for (told, sent) in [
            ("taro..y@docomo.ne.jp", "\"taro..y\"@docomo.ne.jp"),
            ("hanako.@ezweb.ne.jp", "\"hanako.\"@ezweb.ne.jp"),
            (".jiro@docomo.ne.jp", "\".jiro\"@docomo.ne.jp"),
            ("a...b.-@docomo.ne.jp", "\"a...b.-\"@docomo.ne.jp"),
            (" \"taro..y\"@docomo.ne.jp ", "\"taro..y\"@docomo.ne.jp"),
            ("\"a b\\\"c\"@example.jp", "\"a b\\\"c\"@example.jp"),
            ("taro.y+shop@example.jp", "taro.y+shop@example.jp"),
            ("太郎@example.jp", "太郎@example.jp"),
        ] {
            assert_eq!(read(told).as_deref(), Some(sent), "{told}");
        }
    }

    #[test]
    fn what_is_no_address_stays_none() {
        for told in [
            "",
            "@docomo.ne.jp",
            "taro",
            "taro@",
            "\"\"@docomo.ne.jp",
            "\"a\"b\"@docomo.ne.jp",
            "\"a\\\"@docomo.ne.jp",
            "\"a\r\nb\"@docomo.ne.jp",
            "ta ro..y@docomo.ne.jp",
            "a..b@c, d@example.jp",
            "taro..y@docomo..jp",
            "taro..y@docomo.ne.jp\r\nBcc: x@example.org",
            "<taro..y@docomo.ne.jp>",
        ] {
            assert_eq!(read(told), None, "{told:?}");
        }
        let long = format!("{}..{}@docomo.ne.jp", "a".repeat(31), "b".repeat(31));
        assert_eq!(read(&long), None, "66 bytes with the quotes");
    }

    proptest::proptest! {
        /// Whatever is told: one address without line breaks, or none.
        #[test]
        fn any_text_is_one_address_or_none(told in "(?s).{0,60}@.{0,20}") {
            if let Some(address) = recipient(&told) {
                let text = address.to_string();
                proptest::prop_assert!(!text.contains(['\r', '\n', '\0']));
                proptest::prop_assert_eq!(recipient(&text), Some(address));
            }
        }
    }
}
