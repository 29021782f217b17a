//! Records of the quarantine that have something of somebody: those about an order, and those whose bytes hold a mail address.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use encoding_rs::SHIFT_JIS;
use serde::Serialize;
use url::form_urlencoded::byte_serialize;
use url::quirks::{domain_to_ascii, domain_to_unicode};

use super::{Store, StoreError, Tx};

/// What quarantine had with a mail address in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErasedRecords {
    /// Settled and dismissed records that lost their bytes.
    pub erased: u64,
    /// Records that are not settled and hold it still.
    pub open: Vec<i64>,
}

impl ErasedRecords {
    /// Another address, in the records of which this one may be too.
    pub fn add(&mut self, other: Self) {
        self.erased += other.erased;
        self.open.extend(other.open);
        self.open.sort_unstable();
        self.open.dedup();
    }
}

/// A record that is to be forgotten.
struct Held {
    id: i64,
    settled: bool,
    dismissed: bool,
}

impl Store {
    /// Erases the bytes of settled and dismissed records that hold a mail address, whatever its case, also of those that nobody could
    /// say an order of. An address within a longer one counts too: rather a settled record too many.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while the database has lost commits; else the database's.
    pub async fn erase_quarantined(&self, mail: &str) -> Result<ErasedRecords, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = Self::erase_by_address(&mut tx, mail).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Refuses before it changes anything.
    pub(super) async fn erase_by_address(
        tx: &mut Tx<'_>,
        mail: &str,
    ) -> Result<ErasedRecords, StoreError> {
        let stopped = sqlx::query_scalar!(r#"SELECT hk_stopped() AS "stopped!""#)
            .fetch_one(&mut **tx)
            .await?;
        if stopped {
            return Err(StoreError::Refused("the database has lost recent commits: finish the recovery first (hikiate recover --help)".to_owned()));
        }
        // Both sides are compared with all but ASCII written as escapes: the case of what is ASCII does not matter.
        let held = sqlx::query_as!(
            Held,
            r#"SELECT q.id, q.resolved_at IS NOT NULL AS "settled!", q.dismissed_at IS NOT NULL AS "dismissed!" FROM quarantine q
               WHERE q.raw <> '' AND EXISTS (SELECT FROM unnest($1::bytea[]) AS t (spelled)
                 WHERE position(lower(encode(t.spelled, 'escape')) IN lower(encode(q.raw, 'escape'))) > 0)
               ORDER BY q.id FOR UPDATE OF q"#,
            &spellings(mail)
        )
        .fetch_all(&mut **tx)
        .await?;
        let (erased, open) = forget(tx, &held).await?;
        Ok(ErasedRecords { erased, open })
    }
}

/// A mail address as it is given, and with its domain in ASCII and in its own script, where these differ.
pub(super) fn forms(mail: &str) -> Vec<String> {
    let mail = mail.trim();
    let mut forms = vec![mail.to_owned()];
    if let Some((user, domain)) = mail.rsplit_once('@') {
        for other in [domain_to_ascii(domain), domain_to_unicode(domain)] {
            let form = format!("{user}@{other}");
            let known = |f: &String| f.to_lowercase() == form.to_lowercase();
            if !other.is_empty() && !forms.iter().any(known) {
                forms.push(form);
            }
        }
    }
    forms
}

/// The bytes of a mail address as it stands in text, in JSON and in a form, in each encoding that text is read in.
fn spellings(mail: &str) -> Vec<Vec<u8>> {
    let mut texts = BTreeSet::new();
    for form in forms(mail) {
        let escaped = escaped(&form);
        for text in [&form, &escaped] {
            texts.insert(text.clone());
            texts.insert(text.replace('@', "\\u0040"));
        }
        texts.insert(form.replace('@', "%40"));
        texts.insert(byte_serialize(form.as_bytes()).collect());
    }
    let spelled: BTreeSet<Vec<u8>> = texts.iter().flat_map(|text| encoded(text)).collect();
    spelled.into_iter().collect()
}

/// As a cautious JSON writer has it: a slash is escaped, and all beyond ASCII is too.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _never_fails = write!(out, "\\u{unit:04x}");
                }
            }
        }
        out
    })
}

/// A text in UTF-8, in CP932 where that has all of it, and in UTF-16 of either order.
fn encoded(text: &str) -> Vec<Vec<u8>> {
    let mut all = vec![
        text.as_bytes().to_vec(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ];
    let (cp932, _, lacks) = SHIFT_JIS.encode(text);
    if !lacks {
        all.push(cp932.into_owned());
    }
    all
}

/// Settled records about an order and its shipments and payments; those that were dismissed keep their row. Returns how many went, and
/// the ids of those that are not settled.
pub(super) async fn erase_records(
    tx: &mut Tx<'_>,
    order: i64,
) -> Result<(u64, Vec<i64>), StoreError> {
    let about = sqlx::query_as!(
        Held,
        r#"SELECT q.id, q.resolved_at IS NOT NULL AS "settled!", q.dismissed_at IS NOT NULL AS "dismissed!" FROM quarantine q
           WHERE EXISTS (SELECT FROM subjects s WHERE s.id = $1 AND s.account_id = q.account_id AND s.external_id = q.external_id AND q.stream IN ('orders', 'read'))
             OR EXISTS (SELECT FROM aliases a WHERE a.subject_id = $1 AND a.account_id = q.account_id AND a.kind = 'shipment' AND a.external_id = q.external_id)
             OR EXISTS (SELECT FROM payment_names n WHERE n.subject_id = $1 AND n.account_id = q.account_id AND n.kind = 'key' AND n.name = q.external_id)
           ORDER BY q.id FOR UPDATE OF q"#,
        order
    )
    .fetch_all(&mut **tx)
    .await?;
    forget(tx, &about).await
}

/// Settled records go; those that were dismissed keep their row, without which they would be back in quarantine. Returns how many lost
/// their bytes, and the ids of those that are not settled.
async fn forget(tx: &mut Tx<'_>, held: &[Held]) -> Result<(u64, Vec<i64>), StoreError> {
    let ids = |wanted: fn(&Held) -> bool| -> Vec<i64> {
        let rows = held.iter().filter(|row| wanted(row));
        rows.map(|row| row.id).collect()
    };
    let gone = sqlx::query!(
        "DELETE FROM quarantine WHERE id = ANY($1)",
        &ids(|row| row.settled && !row.dismissed)
    )
    .execute(&mut **tx)
    .await?;
    let emptied = sqlx::query_scalar!(
        r#"SELECT hk_empty_records(ARRAY(SELECT id FROM quarantine WHERE id = ANY($1) AND (raw <> '' OR part IS NOT NULL))) AS "rows!""#,
        &ids(|row| row.settled && row.dismissed)
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok((
        gone.rows_affected() + emptied.unsigned_abs(),
        ids(|row| !row.settled),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(mail: &str, spelled: &[u8]) -> bool {
        spellings(mail).iter().any(|bytes| bytes == spelled)
    }

    #[test]
    fn an_address_is_looked_for_as_programs_write_it() {
        for text in [
            "taro@example.jp",
            "taro\\u0040example.jp",
            "taro%40example.jp",
        ] {
            assert!(has(" taro@example.jp ", text.as_bytes()), "{text}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert!(has("taro@example.jp", &wide), "{text} in UTF-16");
        }
        assert_eq!(spellings("taro@example.jp").len(), 9, "each once");
        assert!(has("a/b+c@example.jp", b"a\\/b+c@example.jp"));
        assert!(has("a/b+c@example.jp", b"a%2Fb%2Bc%40example.jp"));
    }

    #[test]
    fn a_domain_is_looked_for_in_ascii_and_in_its_own_script() {
        let (own, ascii) = ("a@例え.jp", "a@xn--r8jz45g.jp");
        assert_eq!(forms(own), [own, ascii]);
        assert_eq!(forms("A@XN--R8JZ45G.jp"), ["A@XN--R8JZ45G.jp", "A@例え.jp"]);
        assert_eq!(forms("a@Example.jp"), ["a@Example.jp"]);
        assert_eq!(forms("a@b c"), ["a@b c"], "no domain");
        for mail in [own, ascii] {
            assert!(has(mail, own.as_bytes()) && has(mail, ascii.as_bytes()));
            assert!(has(mail, b"a@\x97\xe1\x82\xa6.jp"), "CP932");
            assert!(has(mail, b"a@\\u4f8b\\u3048.jp"), "JSON");
        }
    }
}
