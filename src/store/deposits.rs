//! Deposits (入金): what came, which orders it is matched to, and what the books are told of it. A deposit is a subject of its
//! own; what it means for an order is a fact of that order.

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{AccountSlug, Currency};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::subjects::{lock_subjects, make_due};
use super::{Directory, Store, StoreError};
use crate::facts::{DepositFact, DepositTo, DepositWithdrawnFact, FactBody};
use crate::plan::types::DepositBooks;

/// How a command about deposits is carried out.
#[derive(Clone, Copy, Debug)]
pub struct DepositTerms<'a> {
    /// Deposits that come are booked, and with them what becomes of them.
    pub book: bool,
    /// Who typed it.
    pub actor: &'a str,
    /// The day in the shop's zone.
    pub today: NaiveDate,
    /// Everything is done and then undone.
    pub dry_run: bool,
}

/// Money that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeposit {
    /// The channel account; a reference is used once for each.
    pub account: AccountSlug,
    /// The bank's reference.
    pub reference: String,
    /// Minor units, above zero.
    pub amount: i64,
    /// Its currency.
    pub currency: Currency,
    /// The day it came, in the shop's zone.
    pub date: NaiveDate,
    /// The order it is for; `None` while nobody knows.
    pub order: Option<i64>,
}

/// What became of a deposit that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new; its number.
    New(String),
    /// The very same was added before; as it stands now: it may be matched to another order, or voided.
    Known(Box<DepositRow>),
    /// It cannot be, and why.
    Refused(String),
}

/// A deposit as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DepositRow {
    /// Row id.
    #[serde(skip)]
    pub id: i64,
    /// Its number, `HD…`.
    pub deposit: String,
    /// The channel account.
    pub account: AccountSlug,
    /// The bank's reference.
    pub reference: String,
    /// Minor units.
    pub amount: i64,
    /// Its currency.
    pub currency: Currency,
    /// The day it came.
    pub date: NaiveDate,
    /// What is matched to no order; nothing of one that was voided.
    pub left: i64,
    /// Orders that it pays.
    pub matches: Vec<DepositMatch>,
    /// Why it was voided.
    pub voided: Option<String>,
}

/// What of a deposit pays an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositMatch {
    /// The order's row.
    #[serde(skip_serializing)]
    pub id: i64,
    /// Our number.
    pub order: String,
    /// Minor units.
    pub amount: i64,
}

/// What of a deposit is moved from one order to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositMove {
    /// The order that it was matched to.
    pub from: i64,
    /// The order that it is for, with its number; `None`: nobody knows yet.
    pub to: Option<(i64, String)>,
    /// Minor units; all that is matched where not given.
    pub amount: Option<i64>,
}

impl DepositRow {
    /// What pays an order.
    #[must_use]
    pub fn matched(&self, order: i64) -> i64 {
        let found = self.matches.iter().find(|one| one.id == order);
        found.map_or(0, |one| one.amount)
    }
}

/// Which deposits are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct DepositFilter<'a> {
    /// Only those of which something is matched to no order.
    pub unmatched: bool,
    /// Only those that pay this order.
    pub order: Option<i64>,
    /// Only this one, by its row.
    pub id: Option<i64>,
    /// Only those with this number, reference, or `account/reference`.
    pub name: Option<&'a str>,
    /// At the most so many, the newest first; all where not given.
    pub limit: Option<i64>,
}

/// One command about deposits, in one transaction.
struct Desk<'a> {
    tx: Transaction<'static, Postgres>,
    terms: &'a DepositTerms<'a>,
    now: DateTime<Utc>,
}

impl Store {
    /// Stores money that came, all rows or none: where one is refused, nothing is stored. Returns what became of each.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_deposits(
        &self,
        directory: &Directory,
        rows: &[NewDeposit],
        terms: &DepositTerms<'_>,
    ) -> Result<Vec<Added>, StoreError> {
        let orders: Vec<i64> = rows.iter().filter_map(|row| row.order).collect();
        let mut desk = Desk::open(self, &orders, terms).await?;
        // Two files at once take their references in one order.
        let mut order: Vec<(usize, &NewDeposit)> = rows.iter().enumerate().collect();
        order.sort_by_key(|(_, row)| (row.account.as_str(), row.reference.as_str()));
        let mut done = Vec::with_capacity(rows.len());
        for (at, row) in order {
            done.push((at, desk.add(directory, row).await?));
        }
        done.sort_by_key(|(at, _)| *at);
        let done: Vec<Added> = done.into_iter().map(|(_, added)| added).collect();
        if done.iter().all(|added| !matches!(added, Added::Refused(_))) {
            desk.close().await?;
        }
        Ok(done)
    }

    /// Has a deposit pay an order, with all that is left of it where no amount is given.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for more than is left, and for one that was voided.
    pub async fn match_deposit(
        &self,
        deposit: i64,
        order: i64,
        amount: Option<i64>,
        terms: &DepositTerms<'_>,
    ) -> Result<DepositRow, StoreError> {
        let mut desk = Desk::open(self, &[deposit, order], terms).await?;
        let row = desk.standing(deposit).await?;
        let amount = amount.unwrap_or(row.left);
        let (number, currency) = (&row.deposit, row.currency);
        if amount > row.left || amount <= 0 {
            return Err(StoreError::Refused(format!(
                "{} {currency} of deposit {number} is matched to no order: {} {currency} of it cannot be matched",
                currency.format(row.left),
                currency.format(amount)
            )));
        }
        desk.put(&row, order, amount).await?;
        desk.end(deposit).await
    }

    /// Takes a deposit away from one order and has it pay another, or none yet.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for more than pays that order, and for one that was voided.
    pub async fn move_deposit(
        &self,
        deposit: i64,
        what: &DepositMove,
        terms: &DepositTerms<'_>,
    ) -> Result<DepositRow, StoreError> {
        let mut locked = vec![deposit, what.from];
        locked.extend(what.to.iter().map(|(id, _)| *id));
        let mut desk = Desk::open(self, &locked, terms).await?;
        let row = desk.standing(deposit).await?;
        let matched = row.matched(what.from);
        let amount = what.amount.unwrap_or(matched);
        if amount > matched || amount <= 0 {
            let (number, currency) = (&row.deposit, row.currency);
            return Err(StoreError::Refused(format!(
                "{} {currency} of deposit {number} pays that order, `hikiate deposit list` shows it: {} {currency} cannot be moved",
                currency.format(matched),
                currency.format(amount)
            )));
        }
        let to = match &what.to {
            Some((_, number)) => DepositTo::Order {
                number: number.clone(),
            },
            None => DepositTo::Unmatched,
        };
        desk.take(&row, what.from, amount, to).await?;
        if let Some((id, _)) = &what.to {
            desk.put(&row, *id, amount).await?;
        }
        desk.end(deposit).await
    }

    /// There was no such deposit: it pays no order any more.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for one that was voided before, and where its matches change meanwhile.
    pub async fn void_deposit(
        &self,
        deposit: i64,
        reason: &str,
        terms: &DepositTerms<'_>,
    ) -> Result<DepositRow, StoreError> {
        let orders: Vec<i64> = sqlx::query_scalar!(
            "SELECT order_id FROM deposit_matches WHERE deposit_id = $1",
            deposit
        )
        .fetch_all(&self.pool)
        .await?;
        let locked: Vec<i64> = orders.iter().copied().chain([deposit]).collect();
        let mut desk = Desk::open(self, &locked, terms).await?;
        let row = desk.standing(deposit).await?;
        if row.matches.iter().any(|one| !orders.contains(&one.id)) {
            return Err(StoreError::Refused(format!(
                "deposit {} was matched to another order right now; look at it and type it again",
                row.deposit
            )));
        }
        for one in &row.matches {
            let to = DepositTo::Void {
                reason: reason.to_owned(),
            };
            desk.take(&row, one.id, one.amount, to).await?;
        }
        sqlx::query!(
            "UPDATE deposits SET voided_at = (SELECT hk_now()), void_reason = $2 WHERE subject_id = $1",
            deposit,
            reason
        )
        .execute(&mut *desk.tx)
        .await?;
        let today = desk.terms.today;
        desk.post(&row, "voided", None, row.amount, today).await?;
        desk.end(deposit).await
    }

    /// Deposits, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_deposits(
        &self,
        filter: &DepositFilter<'_>,
    ) -> Result<Vec<DepositRow>, StoreError> {
        let mut tx = self.pool.begin().await?;
        listed(&mut tx, filter).await
    }

    /// One deposit by its number, its reference, or `account/reference`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] for a reference that several have.
    pub async fn find_deposit(&self, name: &str) -> Result<DepositRow, StoreError> {
        let filter = DepositFilter {
            name: Some(name),
            ..DepositFilter::default()
        };
        let mut found = self.list_deposits(&filter).await?;
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(one), false) => {
                let names: Vec<&str> = [&one]
                    .into_iter()
                    .chain(&found)
                    .map(|row| row.deposit.as_str())
                    .collect();
                Err(StoreError::Refused(format!(
                    "several deposits have reference {name:?}: {}; give one of these",
                    names.join(", ")
                )))
            }
            (None, _) => Err(StoreError::NotFound(format!(
                "no deposit {name:?}: give its HD number or its reference, as `hikiate deposit list` shows them"
            ))),
        }
    }

    /// What was posted for the deposits of orders.
    pub(super) async fn load_deposit_books(
        tx: &mut Transaction<'_, Postgres>,
        orders: &[i64],
    ) -> Result<std::collections::BTreeMap<i64, DepositBooks>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT p.order_id AS "order_id!", coalesce(sum(CASE p.kind WHEN 'matched' THEN p.amount WHEN 'unmatched' THEN -p.amount END), 0)::bigint AS "matched!",
                 coalesce(sum(p.amount) FILTER (WHERE p.kind = 'rest'), 0)::bigint AS "rest!", count(*) FILTER (WHERE p.kind = 'rest') AS "rests!"
               FROM deposit_postings p WHERE p.order_id = ANY($1) GROUP BY p.order_id"#,
            orders
        )
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| {
            let books = DepositBooks {
                matched: row.matched,
                rest: row.rest,
                rests: row.rests,
            };
            (row.order_id, books)
        })
        .collect())
    }
}

impl<'a> Desk<'a> {
    /// Begins, with these subjects locked.
    async fn open(
        store: &Store,
        subjects: &[i64],
        terms: &'a DepositTerms<'a>,
    ) -> Result<Self, StoreError> {
        let mut tx = store.pool.begin().await?;
        lock_subjects(&mut tx, subjects).await?;
        let now = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
            .fetch_one(&mut *tx)
            .await?;
        Ok(Self { tx, terms, now })
    }

    async fn close(self) -> Result<(), StoreError> {
        if self.terms.dry_run {
            self.tx.rollback().await?;
        } else {
            self.tx.commit().await?;
        }
        Ok(())
    }

    /// Ends with the deposit as it stands then.
    async fn end(mut self, deposit: i64) -> Result<DepositRow, StoreError> {
        self.settle(deposit).await?;
        let row = self.read(deposit).await?;
        self.close().await?;
        Ok(row)
    }

    async fn read(&mut self, deposit: i64) -> Result<DepositRow, StoreError> {
        let filter = DepositFilter {
            id: Some(deposit),
            ..DepositFilter::default()
        };
        let found = listed(&mut self.tx, &filter).await?.pop();
        found.ok_or_else(|| StoreError::NotFound("the deposit is not there".to_owned()))
    }

    /// A deposit that was not voided.
    async fn standing(&mut self, deposit: i64) -> Result<DepositRow, StoreError> {
        let row = self.read(deposit).await?;
        match &row.voided {
            Some(reason) => Err(StoreError::Refused(format!(
                "deposit {} was voided: {reason}",
                row.deposit
            ))),
            None => Ok(row),
        }
    }

    async fn add(&mut self, directory: &Directory, new: &NewDeposit) -> Result<Added, StoreError> {
        let account_id = directory.account(&new.account)?;
        let number = crate::number::deposit_number(&new.account, &new.reference);
        let stored = sqlx::query_scalar!(
            "INSERT INTO subjects (kind, account_id, external_id, number, origin, status, created_at)
             VALUES ('deposit', $1, $2, $3, 'live', 'unmatched', (SELECT hk_now())) ON CONFLICT DO NOTHING RETURNING id",
            account_id,
            new.reference,
            number
        )
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(id) = stored else {
            return self.known(&number, new).await;
        };
        sqlx::query!(
            "INSERT INTO deposits (subject_id, currency, amount, received_on) VALUES ($1, $2, $3, $4)",
            id,
            new.currency.to_string(),
            new.amount,
            new.date
        )
        .execute(&mut *self.tx)
        .await?;
        let row = DepositRow {
            id,
            deposit: number,
            account: new.account.clone(),
            reference: new.reference.clone(),
            amount: new.amount,
            currency: new.currency,
            date: new.date,
            left: new.amount,
            matches: Vec::new(),
            voided: None,
        };
        if self.terms.book {
            self.post(&row, "received", None, row.amount, row.date)
                .await?;
        }
        if let Some(order) = new.order {
            self.put(&row, order, row.amount).await?;
        }
        self.settle(id).await?;
        Ok(Added::New(row.deposit))
    }

    /// A reference that was used before: the same again, or another deposit.
    async fn known(&mut self, number: &str, new: &NewDeposit) -> Result<Added, StoreError> {
        let filter = DepositFilter {
            name: Some(number),
            ..DepositFilter::default()
        };
        let Some(row) = listed(&mut self.tx, &filter).await?.pop() else {
            return Ok(Added::Refused(format!(
                "reference {:?} was used before",
                new.reference
            )));
        };
        let same = (row.amount, row.currency, row.date) == (new.amount, new.currency, new.date);
        if same {
            return Ok(Added::Known(Box::new(row)));
        }
        Ok(Added::Refused(format!(
            "a deposit with reference {:?} was added before, {} {} of {} ({}); a reference is used once",
            new.reference,
            row.currency.format(row.amount),
            row.currency,
            row.date,
            row.deposit
        )))
    }

    /// Some of a deposit pays an order.
    async fn put(&mut self, row: &DepositRow, order: i64, amount: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO deposit_matches (deposit_id, order_id, amount) VALUES ($1, $2, $3)
             ON CONFLICT (deposit_id, order_id) DO UPDATE SET amount = deposit_matches.amount + excluded.amount",
            row.id,
            order,
            amount
        )
        .execute(&mut *self.tx)
        .await?;
        let body = FactBody::Deposit(DepositFact {
            deposit: format!("{}/{}", row.account, row.reference),
            amount,
            currency: row.currency,
        });
        let key = match self.told(row, order).await? {
            0 => format!("deposit:{}:{}", row.account, row.reference),
            n => format!("deposit:{}:{}", row.deposit, n + 1),
        };
        self.tell(order, key, &body, row.date).await?;
        let today = self.terms.today;
        self.post(row, "matched", Some(order), amount, today).await
    }

    /// Some of a deposit does not pay an order any more.
    async fn take(
        &mut self,
        row: &DepositRow,
        order: i64,
        amount: i64,
        to: DepositTo,
    ) -> Result<(), StoreError> {
        if amount == row.matched(order) {
            sqlx::query!(
                "DELETE FROM deposit_matches WHERE deposit_id = $1 AND order_id = $2",
                row.id,
                order
            )
            .execute(&mut *self.tx)
            .await?;
        } else {
            sqlx::query!(
                "UPDATE deposit_matches SET amount = amount - $3 WHERE deposit_id = $1 AND order_id = $2",
                row.id,
                order,
                amount
            )
            .execute(&mut *self.tx)
            .await?;
        }
        let body = FactBody::DepositWithdrawn(DepositWithdrawnFact {
            deposit: format!("{}/{}", row.account, row.reference),
            amount,
            currency: row.currency,
            to,
        });
        let n = self.told(row, order).await?;
        let key = format!("deposit_withdrawn:{}:{}", row.deposit, n + 1);
        let today = self.terms.today;
        self.tell(order, key, &body, today).await?;
        self.post(row, "unmatched", Some(order), amount, today)
            .await
    }

    /// How often an order was told of a deposit.
    async fn told(&mut self, row: &DepositRow, order: i64) -> Result<i64, StoreError> {
        let name = format!("{}/{}", row.account, row.reference);
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM facts WHERE subject_id = $1 AND kind IN ('deposit', 'deposit_withdrawn') AND body ->> 'deposit' = $2"#,
            order,
            name
        )
        .fetch_one(&mut *self.tx)
        .await?)
    }

    async fn tell(
        &mut self,
        order: i64,
        key: String,
        body: &FactBody,
        date: NaiveDate,
    ) -> Result<(), StoreError> {
        let mut rows = FactRows::default();
        rows.push(order, key, body, body.to_json()?, self.now, self.now, date);
        insert_facts(&mut self.tx, &rows, self.terms.actor, None, false).await?;
        make_due(&mut self.tx, &[order]).await
    }

    /// What the books are told; of a deposit that was not booked when it came, nothing.
    async fn post(
        &mut self,
        row: &DepositRow,
        kind: &str,
        order: Option<i64>,
        amount: i64,
        date: NaiveDate,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO deposit_postings (key, kind, deposit_id, order_id, channel_id, business_date, currency, amount)
             SELECT s.number || ':' || $2::text || ':' || (1 + (SELECT count(*) FROM deposit_postings p WHERE p.deposit_id = s.id)),
               $2, s.id, $3, coalesce((SELECT o.account_id FROM subjects o WHERE o.id = $3), s.account_id), $4, $5, $6
             FROM subjects s WHERE s.id = $1
               AND ($2 = 'received' OR EXISTS (SELECT FROM deposit_postings p WHERE p.deposit_id = s.id AND p.kind = 'received'))",
            row.id,
            kind,
            order,
            date,
            row.currency.to_string(),
            amount
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Its status word; one that is matched whole, or voided, is over.
    async fn settle(&mut self, deposit: i64) -> Result<(), StoreError> {
        let row = self.read(deposit).await?;
        let (status, over) = match (&row.voided, row.left) {
            (Some(_), _) => ("void", true),
            (None, 0) => ("matched", true),
            (None, left) if left == row.amount => ("unmatched", false),
            (None, _) => ("part_matched", false),
        };
        sqlx::query!(
            "UPDATE subjects SET status = $2, closed_at = CASE WHEN $3 THEN coalesce(closed_at, (SELECT hk_now())) END WHERE id = $1",
            deposit,
            status,
            over
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

async fn listed(
    tx: &mut Transaction<'_, Postgres>,
    filter: &DepositFilter<'_>,
) -> Result<Vec<DepositRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT s.id, s.number, a.slug, s.external_id, d.amount, d.currency, d.received_on, d.void_reason,
             CASE WHEN d.voided_at IS NULL THEN d.amount - m.matched ELSE 0 END AS "left!", m.list AS "matches!: Value"
           FROM deposits d JOIN subjects s ON s.id = d.subject_id JOIN accounts a ON a.id = s.account_id
             CROSS JOIN LATERAL (SELECT coalesce(sum(m.amount), 0)::bigint AS matched,
               coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'order', o.number, 'amount', m.amount) ORDER BY o.number), '[]') AS list
               FROM deposit_matches m JOIN subjects o ON o.id = m.order_id WHERE m.deposit_id = s.id) m
           WHERE (NOT $1 OR (d.voided_at IS NULL AND m.matched < d.amount))
             AND ($2::bigint IS NULL OR EXISTS (SELECT FROM deposit_matches x WHERE x.deposit_id = s.id AND x.order_id = $2))
             AND ($3::bigint IS NULL OR s.id = $3)
             AND ($4::text IS NULL OR s.number = upper($4) OR s.external_id = $4 OR a.slug || '/' || s.external_id = $4)
           ORDER BY d.received_on DESC, s.id DESC LIMIT $5"#,
        filter.unmatched,
        filter.order,
        filter.id,
        filter.name,
        filter.limit
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(DepositRow {
            id: row.id,
            deposit: row.number,
            account: AccountSlug::new(row.slug),
            reference: row.external_id,
            amount: row.amount,
            currency: row
                .currency
                .parse()
                .map_err(|e: hikiate_sdk::MoneyError| StoreError::Refused(e.to_string()))?,
            date: row.received_on,
            left: row.left,
            matches: serde_json::from_value(row.matches)?,
            voided: row.void_reason,
        });
    }
    Ok(found)
}
