//! What commands read of batches, and a wave that is sealed before its time. Reading locks nothing.

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::BatchName;
use serde::Serialize;

use super::batch::{insert_open, open_at, rename, serialise_openers};
use super::facts::{FactRows, insert_facts};
use super::seal::WantedRow;
use super::{Directory, Place, SealRow, Slot, Store, StoreError};
use crate::facts::{FactBody, SealWantedFact};

/// A batch in a list.
#[derive(Clone, Debug, Serialize)]
pub struct BatchRow {
    /// Row id.
    #[serde(skip)]
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Our number of it.
    pub number: String,
    /// The account it is sent to.
    pub account: String,
    /// The warehouse; none for journals.
    pub warehouse: Option<String>,
    /// The local time or day in its name.
    pub period: String,
    /// Counts from 1 within the period.
    pub batch_no: i32,
    /// When it is sealed.
    pub seal_at: DateTime<Utc>,
    /// When it was.
    pub sealed_at: Option<DateTime<Utc>>,
    /// `open`, `missed`, `failing`, `sealed`, `sending`, `unknown`, `refused`, `done`, `empty`, `abandoned`.
    pub state: String,
    /// Shipments or revenue events; of an open or missed batch those that would go now.
    pub rows: i64,
    /// What went wrong last.
    pub error: Option<String>,
    /// What an operator or a restore keeps it back with, and what to type.
    pub kept_back: Option<String>,
    /// When it is tried again.
    pub retry_at: Option<DateTime<Utc>>,
    /// Times its present sending was tried.
    pub sends: Option<i16>,
    /// When it was last sent, or its sending was last answered.
    pub last_sent_at: Option<DateTime<Utc>>,
}

/// One shipment of a wave, without personal data.
#[derive(Clone, Debug, Serialize)]
pub struct MemberRow {
    /// The order's number.
    pub order: String,
    /// The shipment.
    pub reference: String,
    /// `waiting`, `instructed`, `cancelled`, `rejected`, `shipped`.
    pub state: String,
    /// What is in it.
    pub lines: Vec<MemberLine>,
}

/// One line of a shipment.
#[derive(Clone, Debug, Serialize)]
pub struct MemberLine {
    /// The warehouse's code of the item.
    pub code: String,
    /// The channel's title.
    pub title: String,
    /// How many.
    pub quantity: u32,
}

/// The shipments of a wave, in the order of its rows.
#[derive(Debug)]
pub struct Members {
    /// As they are shown.
    pub shown: Vec<MemberRow>,
    /// As they are rendered; holds names and addresses.
    pub rows: Vec<SealRow>,
}

impl Store {
    /// Batches of a kind: those that are not over, and with `ended` the last that are, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_batches(
        &self,
        kind: &str,
        ended: bool,
        limit: i64,
    ) -> Result<Vec<BatchRow>, StoreError> {
        self.batch_rows(kind, None, ended, limit).await
    }

    /// One batch, by its name or number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] with the command that lists them.
    pub async fn batch(&self, kind: &str, name: &str) -> Result<BatchRow, StoreError> {
        let rows = self.batch_rows(kind, Some(name), true, 1).await?;
        let list = if kind == "instruct" { "wave" } else { "books" };
        rows.into_iter().next().ok_or_else(|| {
            StoreError::NotFound(format!(
                "no batch {name:?}: `hikiate {list} list --all` shows their names"
            ))
        })
    }

    async fn batch_rows(
        &self,
        kind: &str,
        name: Option<&str>,
        ended: bool,
        limit: i64,
    ) -> Result<Vec<BatchRow>, StoreError> {
        Ok(sqlx::query_as!(
            BatchRow,
            r#"SELECT s.id, s.external_id AS name, s.number, a.slug AS account, l.slug AS "warehouse?", b.period, b.batch_no, b.seal_at, b.sealed_at,
                 CASE WHEN b.state = 'open' AND b.seal_error IS NOT NULL THEN 'failing' WHEN b.state <> 'sealed' THEN b.state
                   WHEN e.state = 'unresolved' THEN 'unknown' WHEN e.state IN ('leased', 'sending') THEN 'sending'
                   WHEN e.state IS NULL AND s.status = 'refused' THEN 'refused' ELSE 'sealed' END AS "state!",
                 CASE WHEN b.kind = 'journal' THEN (SELECT count(*) FROM revenue_events r WHERE r.batch_id = b.subject_id)
                   + (SELECT count(*) FROM deposit_postings p WHERE p.batch_id = b.subject_id)
                   WHEN b.state IN ('open', 'missed') THEN (SELECT count(*) FROM shipments w WHERE w.location_id = b.location_id AND w.state = 'waiting'
                     AND w.release_at <= greatest(b.seal_at, (SELECT hk_now())) AND hk_may_go(w.id, w.subject_id))
                   ELSE (SELECT count(*) FROM shipments w WHERE w.batch_id = b.subject_id) END AS "rows!",
                 coalesce(e.error, b.seal_error, CASE WHEN s.status = 'refused' THEN (SELECT coalesce(w.words, o.body->>'message') FROM facts o LEFT JOIN fact_words w ON w.subject_id = o.subject_id AND w.key = o.key
                   WHERE o.subject_id = s.id AND o.kind = 'outcome' ORDER BY o.id DESC LIMIT 1) END) AS error,
                 CASE WHEN b.state IN ('open', 'missed') THEN hk_kept_back(b.account_id, b.location_id)
                   WHEN e.state = 'planned' THEN hk_kept_back(b.account_id, NULL) END AS kept_back,
                 coalesce(b.retry_at, CASE WHEN e.state = 'planned' THEN e.due_at END) AS retry_at, e.sends AS "sends?", 
                 coalesce(e.last_sent_at, (SELECT max(o.recorded_at) FROM facts o WHERE o.subject_id = s.id AND o.kind = 'outcome' AND o.body->>'verdict' <> 'withdrawn')) AS "last_sent_at?"
               FROM batches b JOIN subjects s ON s.id = b.subject_id JOIN accounts a ON a.id = b.account_id LEFT JOIN locations l ON l.id = b.location_id
                 LEFT JOIN LATERAL (SELECT * FROM effects x WHERE x.subject_id = b.subject_id ORDER BY x.id DESC LIMIT 1) e ON true
               WHERE b.kind = $1 AND ($2::text IS NULL OR s.external_id = $2 OR s.number = upper($2)) AND ($3 OR s.closed_at IS NULL)
               ORDER BY s.closed_at IS NOT NULL, b.seal_at DESC, s.id DESC LIMIT $4"#,
            kind, name, ended, limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// What is in a wave: of a sealed one its members, of an open or missed one what would go now.
    ///
    /// # Errors
    /// The database's.
    pub async fn members(
        &self,
        directory: &Directory,
        batch: &BatchRow,
    ) -> Result<Members, StoreError> {
        let mut tx = self.snapshot().await?;
        let account_id = directory.account(&batch.account.as_str().into())?;
        let mut states = Vec::new();
        let mut wanted = Vec::new();
        for row in sqlx::query!(
            "SELECT s.id, s.subject_id, s.reference, s.state, o.number, o.account_id, o.external_id FROM batches b
             JOIN shipments s ON s.batch_id = b.subject_id
               OR (b.state IN ('open', 'missed') AND s.location_id = b.location_id AND s.state = 'waiting'
                 AND s.release_at <= greatest(b.seal_at, (SELECT hk_now())) AND hk_may_go(s.id, s.subject_id))
             JOIN subjects o ON o.id = s.subject_id WHERE b.subject_id = $1 ORDER BY s.row_no, s.release_at, s.id",
            batch.id
        )
        .fetch_all(&mut *tx)
        .await?
        {
            states.push((row.reference.clone(), row.state));
            wanted.push(WantedRow {
                shipment_id: row.id,
                subject_id: row.subject_id,
                reference: row.reference,
                number: row.number,
                channel_id: row.account_id,
                external_id: row.external_id,
            });
        }
        let rows = Self::seal_rows(&mut tx, directory, account_id, &wanted).await?;
        let shown = rows
            .iter()
            .map(|row| {
                let reference = row.shipment.reference.to_string();
                let state = states.iter().find(|(of, _)| *of == reference);
                MemberRow {
                    order: row.number.clone(),
                    state: state.map(|(_, state)| state.clone()).unwrap_or_default(),
                    reference,
                    lines: row.shipment.lines.iter().map(|l| line(row, l)).collect(),
                }
            })
            .collect();
        Ok(Members { shown, rows })
    }

    /// The bytes of a sealed batch; they hold names and addresses.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for one that has none.
    pub async fn batch_bytes(&self, batch: &BatchRow) -> Result<Vec<u8>, StoreError> {
        let row = sqlx::query!(
            "SELECT body, purged_at FROM batches WHERE subject_id = $1",
            batch.id
        )
        .fetch_one(&self.pool)
        .await?;
        row.body.ok_or_else(|| {
            StoreError::Refused(match row.purged_at {
                Some(at) => format!(
                    "the bytes of batch {} were deleted at {}: all of its orders have ended",
                    batch.name,
                    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
                ),
                None => format!("batch {} was not sealed: it has no bytes", batch.name),
            })
        })
    }

    /// Makes the open batch of a warehouse due now, under a name that says so, or opens one. Returns its name and how
    /// many shipments are ready for it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when nothing is ready.
    pub async fn seal_now(
        &self,
        directory: &Directory,
        place: Place<'_>,
        warehouse: &str,
        slot: &Slot,
        actor: &str,
        today: NaiveDate,
    ) -> Result<(String, i64), StoreError> {
        let mut tx = self.pool.begin().await?;
        let epoch = serialise_openers(&mut tx, place).await?;
        let kept_back = sqlx::query_scalar!(
            "SELECT hk_kept_back($1, $2)",
            place.account_id,
            place.location_id
        )
        .fetch_one(&mut *tx)
        .await?;
        if let Some(why) = kept_back {
            return Err(StoreError::Refused(format!(
                "nothing of {warehouse} is sealed now and no wave was moved: {why} first"
            )));
        }
        let ready = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE release_at <= hk_now()) AS "ready!", count(*) AS "all!", min(release_at) AS next, hk_now() AS "now!"
               FROM shipments WHERE location_id = $1 AND state = 'waiting' AND hk_may_go(id, subject_id)"#,
            place.location_id
        )
        .fetch_one(&mut *tx)
        .await?;
        if ready.ready == 0 {
            let later = match (ready.all, ready.next) {
                (0, _) | (_, None) => String::new(),
                (n, Some(at)) => format!(
                    "; {n} wait for their grace period or their earliest day, the first until {}",
                    at.to_rfc3339()
                ),
            };
            return Err(StoreError::Refused(format!(
                "nothing is ready to be sealed at {warehouse}{later}"
            )));
        }
        let (subject, name) = match open_at(&mut tx, place).await? {
            Some((subject, _)) => (
                subject,
                rename(&mut tx, directory, place, subject, slot, epoch).await?,
            ),
            None => insert_open(&mut tx, directory, place, slot, epoch).await?,
        };
        let n = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM facts WHERE subject_id = $1 AND kind = 'seal_wanted'"#,
            subject
        )
        .fetch_one(&mut *tx)
        .await?;
        let body = FactBody::SealWanted(SealWantedFact {
            batch: name.clone(),
        });
        let mut rows = FactRows::default();
        let key = format!("seal_wanted:{}", n + 1);
        let json = body.to_json()?;
        rows.push(subject, key, &body, json, ready.now, ready.now, today);
        insert_facts(&mut tx, &rows, actor, None, false).await?;
        tx.commit().await?;
        Ok((name, ready.ready))
    }
}

impl BatchRow {
    /// Its name, in parts.
    #[must_use]
    pub fn batch_name(&self, kind: &str) -> BatchName {
        BatchName {
            account: self.account.clone(),
            kind: kind.to_owned(),
            period: self.period.clone(),
            n: u32::try_from(self.batch_no).unwrap_or(1),
        }
    }
}

fn line(row: &SealRow, line: &crate::facts::ShipmentLine) -> MemberLine {
    let titles = &row.order.order.lines;
    let title = titles.iter().find(|l| l.key == line.line);
    MemberLine {
        code: row.codes.get(&line.item_id).cloned().unwrap_or_default(),
        title: title.map(|l| l.title.clone()).unwrap_or_default(),
        quantity: line.quantity,
    }
}
