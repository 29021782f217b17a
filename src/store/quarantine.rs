//! Records that could not be understood: kept with their reason until they can be, or until an operator says so.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::text::{FIELD_BYTES, cut_bytes, key, sentence};
use hikiate_sdk::{AccountSlug, ExternalId, InFile, Kind};
use sha2::{Digest as _, Sha256};
use sqlx::{Acquire as _, Postgres, Transaction};
use unicode_normalization::UnicodeNormalization as _;

use super::incoming::{IncomingBad, Source};
use super::reads::{read_orders_in, read_soon};
use super::{Directory, IncomingStock, OwnedAccount, Store, StoreError};

/// What a good record says about bad ones that were told before it.
#[derive(Clone, Debug)]
pub(super) struct Understood {
    /// The order's id, the payment's key, the shipment's reference or the item's code.
    pub(super) external_id: String,
    /// Which part of it; `None` for the whole.
    pub(super) part: Option<String>,
    /// When it was told: what was told later, it does not settle.
    pub(super) told: DateTime<Utc>,
}

impl Understood {
    /// An order was read.
    pub(super) fn order(external_id: &str, told: DateTime<Utc>) -> Self {
        Self {
            external_id: external_id.to_owned(),
            part: None,
            told,
        }
    }

    /// A payment was read.
    pub(super) fn payment(key: &str, told: DateTime<Utc>) -> Self {
        Self::order(key, told)
    }

    /// A part of a shipment was told.
    pub(super) fn part(reference: &str, part: &str, told: DateTime<Utc>) -> Self {
        Self {
            external_id: reference.to_owned(),
            part: Some(part.to_owned()),
            told,
        }
    }

    /// An item was counted.
    pub(super) fn item(level: &IncomingStock, requested_at: DateTime<Utc>) -> Self {
        Self {
            external_id: level.code.clone(),
            part: None,
            told: level.source.told(requested_at),
        }
    }
}

/// A record that is to be read again.
#[derive(Clone, Debug)]
pub struct Again {
    /// Its row.
    pub id: i64,
    /// Its stream.
    pub stream: String,
    /// What it is about, where that could be read.
    pub external_id: Option<ExternalId>,
    /// The bytes, and the file they stood in.
    pub source: Source,
    /// Now, by the database's clock.
    pub requested_at: DateTime<Utc>,
}

/// Keeps each bad record once, by its bytes or by what it is the one record of, with the newest file that it stood in. One that was out of quarantine and is told
/// again is back in it, unless an operator dismissed these very bytes or a file tells them that is no newer than the one that was settled. Nothing is refused here: what is too long is cut.
/// Returns how many are news: new in quarantine, back in it, or other bytes than it had.
pub(super) async fn quarantine(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    stream: &str,
    bad: &[IncomingBad],
    requested_at: Option<DateTime<Utc>>,
) -> Result<usize, StoreError> {
    if bad.is_empty() {
        return Ok(0);
    }
    let stream = kept_under(stream);
    let mut once: BTreeMap<Vec<u8>, &IncomingBad> = BTreeMap::new();
    let reported_at = |record: &IncomingBad| record.source.file.as_ref().map(|file| file.told);
    for record in bad {
        let one = record.one_of.as_ref();
        let record_of = one.map_or(record.source.raw.as_slice(), |one| one.as_bytes());
        let kept = once.entry(hash(record_of)).or_insert(record);
        if reported_at(record) > reported_at(kept) {
            *kept = record;
        }
    }
    let hash: Vec<Vec<u8>> = once.keys().cloned().collect();
    let mut external: Vec<Option<String>> = Vec::new();
    let (mut part, mut file) = (Vec::new(), Vec::new());
    let (mut raw, mut reason, mut cause) = (Vec::new(), Vec::new(), Vec::new());
    let (mut file_hash, mut rows) = (Vec::new(), Vec::new());
    let (mut read_at, mut told) = (Vec::new(), Vec::new());
    for record in once.values() {
        external.push(record.external_id.as_deref().map(key));
        part.push(record.part.as_deref().map(plain));
        let stood = record.source.file.as_ref();
        file.push(stood.map(|file| file_name(&file.name)));
        file_hash.push(stood.map(|file| key(&file.sha256)));
        read_at.push(stood.map(|file| file.read_at));
        rows.push(stood.map(|file| in_one(&file.rows)));
        told.push(stood.map(|file| file.told).or(requested_at));
        raw.push(record.source.raw.clone());
        reason.push(sentence(&record.reason));
        cause.push(sentence(&record.cause));
    }
    let news = sqlx::query_file_scalar!(
        "src/store/sql/quarantine.sql",
        account_id,
        stream,
        &external as &[Option<String>],
        &part as &[Option<String>],
        &file as &[Option<String>],
        &hash,
        &raw,
        &reason,
        &cause,
        &file_hash as &[Option<String>],
        &read_at as &[Option<DateTime<Utc>>],
        &rows as &[Option<String>],
        &told as &[Option<DateTime<Utc>>]
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(usize::try_from(news).unwrap_or(0))
}

/// When a good record must have been told to settle a bad one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// No earlier than the bad one, which was there before.
    NoEarlier,
    /// Later: beside the bad rows of its own page, a file's good rows settle none of the same file.
    Later,
}

/// Bad records that are settled: the very record was understood now, by its bytes, or a good one of the same thing and part
/// was told no earlier than it, or later. A record that an earlier version kept under `read` is an order's, as one of `orders` is.
pub(super) async fn settle(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    stream: &str,
    understood: &[Understood],
    raws: &[&[u8]],
    good: Told,
) -> Result<(), StoreError> {
    if understood.is_empty() && raws.is_empty() {
        return Ok(());
    }
    let open = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM quarantine WHERE account_id = $1 AND resolved_at IS NULL) AS "open!""#,
        account_id
    )
    .fetch_one(&mut **tx)
    .await?;
    if !open {
        return Ok(());
    }
    let names: Vec<String> = understood.iter().map(|u| key(&u.external_id)).collect();
    let parts: Vec<Option<String>> = understood
        .iter()
        .map(|u| u.part.as_deref().map(plain))
        .collect();
    let told: Vec<DateTime<Utc>> = understood.iter().map(|u| u.told).collect();
    let hashes: Vec<Vec<u8>> = raws.iter().map(|raw| hash(raw)).collect();
    let same = kept_under(stream);
    sqlx::query!(
        "UPDATE quarantine q SET resolved_at = (SELECT hk_now()), retry_at = NULL
         WHERE q.account_id = $1 AND q.resolved_at IS NULL AND (CASE q.stream WHEN 'read' THEN 'orders' ELSE q.stream END) = $2
           AND (q.hash = ANY($5)
             OR EXISTS (SELECT FROM unnest($3::text[], $4::text[], $6::timestamptz[]) AS t (e, p, told)
               WHERE t.e = q.external_id AND t.p IS NOT DISTINCT FROM q.part AND (t.told > coalesce(q.reported_at, q.first_at) OR NOT $7 AND t.told = coalesce(q.reported_at, q.first_at)))
             OR string_to_array(q.part, E'\\n') <@ (SELECT array_agg(t.p) FROM unnest($3::text[], $4::text[], $6::timestamptz[]) AS t (e, p, told)
               WHERE t.e = q.external_id AND (t.told > coalesce(q.reported_at, q.first_at) OR NOT $7 AND t.told = coalesce(q.reported_at, q.first_at))))",
        account_id, same, &names, &parts as &[Option<String>], &hashes, &told, good == Told::Later
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The stream that tells of a kind: what was read by its id is kept as one record of it, however it was asked for.
pub(super) fn stream_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Stock => "stock",
        kind => kind.plural(),
    }
}

/// An earlier version kept orders that were read by their ids apart.
fn kept_under(stream: &str) -> &str {
    if stream == "read" { "orders" } else { stream }
}

fn hash(raw: &[u8]) -> Vec<u8> {
    Sha256::digest(raw).to_vec()
}

/// Parts however they are written: blanks, hyphens, width and case do not make another one.
fn plain(parts: &str) -> String {
    let parts: Vec<String> = parts.split('\n').map(plain_part).collect();
    parts.join("\n")
}

fn plain_part(part: &str) -> String {
    let letters = part.nfkc().filter(|c| c.is_alphanumeric() || *c == '?');
    let plain: String = letters.flat_map(char::to_uppercase).collect();
    key(&plain)
}

/// Arrays of arrays have one length each, so that what differs in length goes as one text.
fn in_one(rows: &[u64]) -> String {
    let rows: Vec<String> = rows.iter().map(u64::to_string).collect();
    rows.join(" ")
}

fn file_name(name: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).collect();
    cut_bytes(&clean, FIELD_BYTES).to_owned()
}

impl Store {
    /// Hashes of the files of which an account has a record without rows in quarantine, not settled: it may hold only a part of its
    /// file.
    ///
    /// # Errors
    /// The database's.
    pub async fn files_in_quarantine(&self, account_id: i16) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT DISTINCT file_hash AS "hash!" FROM quarantine
               WHERE account_id = $1 AND resolved_at IS NULL AND file_hash IS NOT NULL AND coalesce(cardinality(file_rows), 0) = 0"#,
            account_id
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Asks for a record to be read again: an order by its id, another record by its id where its account can be asked for it, else
    /// from its stored bytes. The daemon does it. One
    /// that was dismissed is back in quarantine first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] for one that was understood.
    pub async fn retry_quarantined(
        &self,
        directory: &Directory,
        id: i64,
    ) -> Result<String, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!("SELECT account_id, stream, external_id, file, resolved_at, dismissed_at, octet_length(raw) AS bytes FROM quarantine WHERE id = $1 FOR UPDATE", id)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("no quarantined record {id}: `hikiate quarantine list` shows them")))?;
        if row.resolved_at.is_some() && row.dismissed_at.is_none() {
            return Err(StoreError::Refused(format!(
                "record {id} is out of quarantine already"
            )));
        }
        let is_order = row.stream == "orders" || row.stream == "read";
        if row.bytes == Some(0) && !(is_order && row.external_id.is_some()) {
            return Err(StoreError::Refused(format!(
                "the bytes of record {id} are not kept any more: have it sent again"
            )));
        }
        sqlx::query!(
            "UPDATE quarantine SET resolved_at = NULL, dismissed_at = NULL WHERE id = $1",
            id
        )
        .execute(&mut *tx)
        .await?;
        let account = directory.slug(row.account_id)?;
        let by_id = row.external_id.is_some() && row.file.is_none();
        let order = row.external_id.filter(|_| is_order);
        let next = if let Some(external) = order {
            due_again(&mut tx, row.account_id, account, &external).await?;
            format!("order {account}/{external} will be read again now")
        } else {
            sqlx::query!(
                "UPDATE quarantine SET retry_at = (SELECT hk_now()) WHERE id = $1",
                id
            )
            .execute(&mut *tx)
            .await?;
            let stored = "with the layout that it runs with";
            if by_id {
                format!(
                    "record {id} of {account} will be read again by the daemon now: by its id where the account can be asked for it, else from its stored bytes, {stored}"
                )
            } else {
                format!(
                    "the stored bytes of record {id} of {account} will be read again by the daemon now, {stored}"
                )
            }
        };
        tx.commit().await?;
        Ok(next)
    }

    /// Takes a record out of quarantine because an operator says so. The same bytes stay out of it, however often they are told;
    /// other bytes about the same thing do not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] for one that is out already.
    pub async fn dismiss_quarantined(
        &self,
        id: i64,
        actor: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let done = sqlx::query_scalar!(
            "UPDATE quarantine SET resolved_at = (SELECT hk_now()), dismissed_at = (SELECT hk_now()), retry_at = NULL, reason = left(reason || '; dismissed by ' || $2 || ': ' || $3, 2000)
             WHERE id = $1 AND resolved_at IS NULL RETURNING id",
            id, actor, sentence(reason)
        )
        .fetch_optional(&self.pool)
        .await?;
        match done {
            Some(_) => Ok(()),
            None => {
                self.quarantine_row(id).await?;
                Err(StoreError::Refused(format!(
                    "record {id} is out of quarantine already"
                )))
            }
        }
    }

    /// Open records with the same cause as this one, itself included.
    ///
    /// # Errors
    /// The database's.
    pub async fn quarantined_alike(&self, id: i64) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT o.id FROM quarantine q JOIN quarantine o ON o.account_id = q.account_id AND o.stream = q.stream
               AND coalesce(o.cause, o.reason) = coalesce(q.cause, q.reason) AND o.resolved_at IS NULL WHERE q.id = $1 ORDER BY o.id",
            id
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Records of an account that are to be read again from their bytes, at most so many.
    ///
    /// # Errors
    /// The database's.
    pub async fn due_again(&self, account_id: i16, limit: i64) -> Result<Vec<Again>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id, stream, external_id, file, file_hash, file_read_at, file_rows, reported_at, raw, (SELECT hk_now()) AS "now!" FROM quarantine
               WHERE account_id = $1 AND retry_at <= (SELECT hk_now()) AND resolved_at IS NULL ORDER BY id LIMIT $2"#,
            account_id, limit
        )
        .fetch_all(&self.pool)
        .await?;
        let again = rows.into_iter().map(|row| {
            let stood = row.file.zip(row.file_hash);
            let times = row.reported_at.zip(row.file_read_at);
            let starts = row.file_rows.unwrap_or_default();
            let file = stood
                .zip(times)
                .map(|((name, sha256), (told, read_at))| InFile {
                    name,
                    sha256,
                    told,
                    read_at,
                    rows: starts
                        .iter()
                        .filter_map(|n| u64::try_from(*n).ok())
                        .collect(),
                });
            Again {
                id: row.id,
                stream: row.stream,
                external_id: row.external_id.map(ExternalId::new),
                source: Source { raw: row.raw, file },
                requested_at: row.now,
            }
        });
        Ok(again.collect())
    }

    /// Has a record read by the id of what it is about, in the place of its stored bytes, which may be old: the answer settles it.
    /// Only for a record of no file, of a kind that its account can be asked for (`can_read`); else it changes nothing. True when
    /// it is due.
    ///
    /// # Errors
    /// [`StoreError::LostLease`]; the database's.
    pub async fn read_again_by_id(
        &self,
        owned: &OwnedAccount,
        again: &Again,
        can_read: &[Kind],
    ) -> Result<bool, StoreError> {
        let kind = can_read
            .iter()
            .find(|kind| stream_of(**kind) == again.stream);
        let about = kind.zip(again.external_id.as_ref());
        let Some((kind, id)) = about.filter(|_| again.source.file.is_none()) else {
            return Ok(false);
        };
        let mut tx = self.pool.begin().await?;
        super::streams::hold_lease(&mut tx, owned).await?;
        sqlx::query!(
            "UPDATE quarantine SET retry_at = NULL WHERE id = $1",
            again.id
        )
        .execute(&mut *tx)
        .await?;
        let wanted = BTreeSet::from([(*kind, id.clone())]);
        read_soon(&mut tx, owned.id, &wanted, &BTreeSet::new(), "quarantine").await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What came of reading a record again: it is settled, or stays with its reason.
    ///
    /// # Errors
    /// [`StoreError::LostLease`]; the database's.
    pub async fn read_again(
        &self,
        owned: &OwnedAccount,
        again: &Again,
        page: &super::IncomingPage,
    ) -> Result<super::PageDone, StoreError> {
        let mut tx = self.pool.begin().await?;
        super::streams::hold_lease(&mut tx, owned).await?;
        let page = &*super::streams::without_excluded(&mut tx, owned.id, page).await?;
        let mut inner = tx.begin().await?;
        let done = match Self::store_page(&mut inner, owned.id, &again.stream, page).await {
            Err(error) if error.is_refusal() => {
                inner.rollback().await?;
                Self::store_apart(&mut tx, owned.id, &again.stream, page).await?
            }
            done => {
                let done = done?;
                inner.commit().await?;
                done
            }
        };
        // What stood in one record and is bad as a part of it is kept for itself.
        let mine = hash(&again.source.raw);
        let still = page.bad.iter().find(|bad| hash(&bad.source.raw) == mine);
        let why = still.map(|bad| sentence(&bad.reason));
        let settled = still.is_none() && (done.quarantined == 0 || !page.bad.is_empty());
        sqlx::query!(
            "UPDATE quarantine SET retry_at = NULL, reason = coalesce($3, reason), resolved_at = CASE WHEN $2 THEN (SELECT hk_now()) ELSE resolved_at END
             WHERE id = $1",
            again.id, settled, why
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done)
    }
}

async fn due_again(
    tx: &mut Transaction<'_, Postgres>,
    account_id: i16,
    account: &AccountSlug,
    external: &str,
) -> Result<(), StoreError> {
    let number = crate::number::order_number(account, &ExternalId::from(external));
    sqlx::query!(
        "INSERT INTO subjects (kind, account_id, external_id, number, created_at) VALUES ('order', $1, $2, $3, (SELECT hk_now()))
         ON CONFLICT (account_id, kind, external_id) DO NOTHING",
        account_id, external, number
    )
    .execute(&mut **tx)
    .await?;
    let subject = sqlx::query_scalar!(
        "SELECT id FROM subjects WHERE account_id = $1 AND kind = 'order' AND external_id = $2",
        account_id,
        external
    )
    .fetch_one(&mut **tx)
    .await?;
    read_orders_in(tx, &[subject], 0.0, "quarantine").await?;
    Ok(())
}
