//! What external systems were sent in a lost window: found there, or told by an operator.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::ShipmentReference;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};

use super::{Directory, Store, StoreError};
use crate::plan::types::{UnrecordedLine, UnrecordedShipment};

/// Stands for the file of what an operator has told.
const TOLD: &str = "told by an operator";

/// One thing that was sent and this database does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSend {
    /// A shipment's reference, or a journal's name.
    pub reference: String,
    /// The order's number, for instructions.
    pub number: Option<String>,
    /// The file.
    pub file: String,
    /// A shipment's rows, where the file lets them be read back.
    pub lines: Option<Vec<FoundLine>>,
}

/// A row of a shipment as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundLine {
    /// Counts from 1 within the shipment.
    pub n: u32,
    /// The warehouse's code.
    pub code: String,
    /// Items.
    pub quantity: u32,
}

impl Store {
    /// Keeps what an account was sent and this database does not know. `can_list` is false for one that cannot be
    /// asked.
    ///
    /// # Errors
    /// The database's.
    pub async fn store_recall(
        &self,
        account_id: i16,
        op: &str,
        epoch: i32,
        can_list: bool,
        found: &[FoundSend],
    ) -> Result<(), StoreError> {
        let reference: Vec<String> = found.iter().map(|f| f.reference.clone()).collect();
        let number: Vec<Option<String>> = found.iter().map(|f| f.number.clone()).collect();
        let file: Vec<String> = found.iter().map(|f| f.file.clone()).collect();
        let lines: Vec<Option<serde_json::Value>> = found
            .iter()
            .map(|f| f.lines.as_ref().map(serde_json::to_value).transpose())
            .collect::<Result<_, _>>()?;
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "SELECT id FROM subjects WHERE number = ANY($1) ORDER BY id FOR NO KEY UPDATE",
            &number as &[Option<String>]
        )
        .fetch_all(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO unrecorded_sends (account_id, op, reference, number, file, lines, epoch)
             SELECT $1, $2, t.r, t.n, t.f, t.l, $3 FROM unnest($4::text[], $5::text[], $6::text[], $7::jsonb[]) AS t (r, n, f, l)
             WHERE NOT EXISTS (SELECT FROM facts i JOIN subjects s ON s.id = i.subject_id WHERE s.number = t.n AND i.key = 'instruct:' || t.r)
             ON CONFLICT (account_id, op, reference) DO NOTHING",
            account_id, op, epoch, &reference, &number as &[Option<String>], &file, &lines as &[Option<serde_json::Value>]
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO recovery_queries (account_id, op, epoch, can_list) VALUES ($1, $2, $3, $4)
             ON CONFLICT (account_id, op) DO UPDATE SET epoch = excluded.epoch, can_list = excluded.can_list",
            account_id, op, epoch, can_list
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "WITH mine AS (SELECT id FROM subjects WHERE number = ANY($1) ORDER BY id FOR NO KEY UPDATE)
             UPDATE subjects s SET plan_at = (SELECT hk_now()), plan_class = 0 FROM mine WHERE s.id = mine.id",
            &number as &[Option<String>]
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// An operator says that a shipment was instructed in the lost window, with these items by the warehouse's code;
    /// without any it is the whole of its order. The last word about a shipment counts.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an account, an order or a code that the database does not know;
    /// [`StoreError::Refused`] without a recovery.
    pub async fn add_lost_send(
        &self,
        account: &str,
        reference: &str,
        lines: &[(String, u32)],
    ) -> Result<(), StoreError> {
        let recovery = self.recovery().await?;
        if recovery.epoch == 0 {
            return Err(StoreError::Refused(
                "no recovery was begun: give --lost-since first".to_owned(),
            ));
        }
        let id = sqlx::query_scalar!("SELECT id FROM accounts WHERE slug = $1", account)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("no account {account}")))?;
        let number = number_of(reference).ok_or_else(|| {
            StoreError::NotFound(format!(
                "{reference} is no shipment reference: they look like HK…-S1"
            ))
        })?;
        sqlx::query_scalar!("SELECT id FROM subjects WHERE number = $1", number)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("no order {number}")))?;
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "SELECT id FROM subjects WHERE number = $1 FOR NO KEY UPDATE",
            number
        )
        .fetch_one(&mut *tx)
        .await?;
        let wanted: BTreeSet<(i16, String)> =
            lines.iter().map(|(code, _)| (id, code.clone())).collect();
        let known = Self::items_of(&mut tx, &wanted).await?;
        for (_, code) in wanted {
            match known.get(&(id, code.clone())) {
                Some(item) if item.multiplier == 1 => {}
                Some(item) => {
                    return Err(StoreError::NotFound(format!(
                        "{code} is {} of an item at {account}: give the code of one",
                        item.multiplier
                    )));
                }
                None => {
                    return Err(StoreError::NotFound(format!(
                        "no item has the code {code} at {account}"
                    )));
                }
            }
        }
        let rows: Vec<FoundLine> = (1..)
            .zip(lines)
            .map(|(n, (code, quantity))| FoundLine {
                n,
                code: code.clone(),
                quantity: *quantity,
            })
            .collect();
        let rows = if rows.is_empty() {
            None
        } else {
            Some(serde_json::to_value(rows)?)
        };
        sqlx::query!(
            "INSERT INTO unrecorded_sends (account_id, op, reference, number, file, lines, epoch) VALUES ($1, 'instruct', $2, $3, $4, $5, $6)
             ON CONFLICT (account_id, op, reference) DO UPDATE SET file = excluded.file, lines = excluded.lines, epoch = excluded.epoch",
            id, reference, number, TOLD, rows, recovery.epoch
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE number = $1",
            number
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Has these streams (account and name) read again where shipments of their account were taken over since the
    /// last time: what the warehouse said of them before was not theirs yet. Returns how many were.
    ///
    /// # Errors
    /// The database's.
    pub async fn hear_again(&self, streams: &[(i16, String)]) -> Result<i64, StoreError> {
        let (accounts, names): (Vec<i16>, Vec<String>) = streams.iter().cloned().unzip();
        Ok(sqlx::query_scalar!(
            r#"WITH taken AS (
                 UPDATE unrecorded_sends l SET replies_refetched = true WHERE l.account_id = ANY($1) AND l.op = 'instruct' AND NOT l.replies_refetched
                   AND EXISTS (SELECT FROM subjects s JOIN facts f ON f.subject_id = s.id WHERE s.number = l.number AND f.key = 'instruct:' || l.reference)
                 RETURNING l.account_id),
               again AS (
                 UPDATE streams t SET resync = 'wanted', due_at = least(t.due_at, (SELECT hk_now())) FROM unnest($1::smallint[], $2::text[]) AS w (account_id, name)
                 WHERE t.account_id = w.account_id AND t.name = w.name AND t.account_id IN (SELECT account_id FROM taken))
               SELECT count(*) AS "taken!" FROM taken"#,
            &accounts, &names
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// What was sent of these orders, in the order of the shipments' numbers.
    pub(super) async fn load_lost(
        tx: &mut Transaction<'_, Postgres>,
        directory: &Directory,
        numbers: &[String],
    ) -> Result<BTreeMap<String, Vec<UnrecordedShipment>>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT number AS "number!", account_id, reference, file, lines FROM unrecorded_sends WHERE op = 'instruct' AND number = ANY($1)
               ORDER BY length(reference), reference, account_id"#,
            numbers
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut wanted = BTreeSet::new();
        let mut read = Vec::new();
        for row in rows {
            // Lines of a version that writes them otherwise are not known.
            let lines: Option<Vec<FoundLine>> = row
                .lines
                .and_then(|lines| serde_json::from_value(lines).ok());
            let codes = lines.iter().flatten().map(|line| line.code.clone());
            wanted.extend(codes.map(|code| (row.account_id, code)));
            read.push((row.number, row.account_id, row.reference, row.file, lines));
        }
        let items = Self::items_of(tx, &wanted).await?;
        let mut lost: BTreeMap<String, Vec<UnrecordedShipment>> = BTreeMap::new();
        for (number, account_id, reference, file, lines) in read {
            let line = |line: FoundLine| UnrecordedLine {
                n: line.n,
                item_id: items
                    .get(&(account_id, line.code.clone()))
                    .filter(|item| item.multiplier == 1)
                    .map(|item| item.item_id),
                code: line.code,
                quantity: line.quantity,
            };
            lost.entry(number).or_default().push(UnrecordedShipment {
                account: directory.slug(account_id)?.clone(),
                reference: ShipmentReference::new(reference),
                told: file == TOLD,
                lines: lines.map(|lines| lines.into_iter().map(line).collect()),
            });
        }
        Ok(lost)
    }
}

/// The order number in a shipment reference.
#[must_use]
pub fn number_of(reference: &str) -> Option<&str> {
    let (number, k) = reference.split_once("-S")?;
    let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    let good = number.len() == 15 && number.starts_with("HK") && number.bytes().all(plain);
    (good && !k.is_empty() && k.bytes().all(|b| b.is_ascii_digit())).then_some(number)
}
