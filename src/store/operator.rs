//! What people decide by command: facts like any other, under the subject's lock.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::typed::Typed;
use super::{Store, StoreError};
use crate::facts::{CancelWantedFact, FactBody, HeldFact, ReleasedFact};
use crate::plan::command::{Wish, WishedFact};
use crate::plan::same_number;

/// A decision typed by an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// `order hold`.
    Hold {
        /// Why.
        reason: String,
    },
    /// `order release`.
    Release {
        /// The holds and gates it lets go; none for a batch.
        rules: Vec<String>,
        /// Why.
        reason: String,
    },
    /// `order cancel`.
    Cancel {
        /// Why.
        reason: String,
    },
}

impl Decision {
    /// The fact that it is; `context` is the hash of the rule context it was decided on.
    #[must_use]
    pub fn wish(&self, context: &str) -> Wish {
        let (key, body) = match self {
            Self::Hold { reason } => (
                "held:manual",
                FactBody::Held(HeldFact {
                    rule: HeldFact::MANUAL.to_owned(),
                    reason: reason.clone(),
                    context: String::new(),
                    release: crate::facts::HoldRelease::Manual,
                }),
            ),
            Self::Release { rules, reason } => (
                "released",
                FactBody::Released(ReleasedFact {
                    rules: rules.clone(),
                    reason: reason.clone(),
                    context: context.to_owned(),
                }),
            ),
            Self::Cancel { reason } => (
                "cancel_wanted",
                FactBody::CancelWanted(CancelWantedFact {
                    reason: reason.clone(),
                }),
            ),
        };
        Wish {
            facts: vec![WishedFact {
                key: key.to_owned(),
                again: true,
                happened_at: None,
                body,
            }],
            ..Wish::default()
        }
    }
}

impl Store {
    /// Finds a subject by its number, by `account/external id`, or an order by the number that the customer knows, with or
    /// without `#` and account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] with what to type; [`StoreError::Refused`] for a number that several orders have.
    pub async fn find_subject(&self, name: &str) -> Result<(i64, String), StoreError> {
        let row = match name.split_once('/') {
            Some((account, external)) => sqlx::query!(
                "SELECT s.id, s.number FROM subjects s JOIN accounts a ON a.id = s.account_id
                     WHERE a.slug = $1 AND s.external_id = $2 AND s.kind IN ('order', 'batch')",
                account,
                external
            )
            .fetch_optional(&self.pool)
            .await?
            .map(|r| (r.id, r.number)),
            None => sqlx::query!(
                "SELECT id, number FROM subjects WHERE number = $1",
                name.to_ascii_uppercase()
            )
            .fetch_optional(&self.pool)
            .await?
            .map(|r| (r.id, r.number)),
        };
        if let Some(found) = row {
            return Ok(found);
        }
        let (account, display) = match name.split_once('/') {
            Some((account, display)) => (Some(account), display),
            None => (None, name),
        };
        let plain = display.trim_start_matches('#');
        let forms = [plain.to_owned(), format!("#{plain}")];
        let found = sqlx::query!(
            "SELECT DISTINCT s.id, s.number, a.slug FROM facts f JOIN subjects s ON s.id = f.subject_id JOIN accounts a ON a.id = s.account_id
             WHERE f.kind = 'order' AND f.body #>> '{order,display}' = ANY($1) AND ($2::text IS NULL OR a.slug = $2) ORDER BY s.id LIMIT 20",
            &forms,
            account
        )
        .fetch_all(&self.pool)
        .await?;
        match found.as_slice() {
            [] => Err(StoreError::NotFound(format!(
                "no order {name:?}: give its HK number, the number that the customer knows, or account/external id, as `hikiate order list` shows them"
            ))),
            [one] => Ok((one.id, one.number.clone())),
            several => {
                let several: Vec<String> = several
                    .iter()
                    .map(|row| format!("{} ({})", row.number, row.slug))
                    .collect();
                Err(StoreError::Refused(format!(
                    "several orders have number {name}: {}; give one of these",
                    several.join(", ")
                )))
            }
        }
    }

    /// The order of a shipment by its reference, as it is written or in capitals; `None` where there is none.
    ///
    /// # Errors
    /// The database's.
    pub async fn shipment_order(
        &self,
        reference: &str,
    ) -> Result<Option<(i64, String, String)>, StoreError> {
        Ok(sqlx::query!(
            "SELECT o.id, o.number, s.reference FROM shipments s JOIN subjects o ON o.id = s.subject_id
             WHERE s.reference = $1 OR s.reference = upper($1) ORDER BY s.reference = $1 DESC LIMIT 1",
            reference
        )
        .fetch_optional(&self.pool)
        .await?
        .map(|row| (row.id, row.number, row.reference)))
    }

    /// Orders but this one with a parcel of this tracking number.
    ///
    /// # Errors
    /// The database's.
    pub async fn orders_with_parcel(
        &self,
        tracking: &str,
        but: i64,
    ) -> Result<Vec<String>, StoreError> {
        let told = sqlx::query!(
            r#"SELECT o.number, coalesce(f.body ->> 'tracking', f.body ->> 'to') AS "written!" FROM facts f JOIN subjects o ON o.id = f.subject_id
             WHERE f.kind IN ('parcel', 'parcel_corrected') AND hk_number(coalesce(f.body ->> 'tracking', f.body ->> 'to')) = hk_number($1) AND o.id <> $2"#,
            tracking,
            but
        )
        .fetch_all(&self.pool)
        .await?;
        let same = told
            .into_iter()
            .filter(|told| same_number(&told.written, tracking));
        let orders: BTreeSet<String> = same.map(|told| told.number).collect();
        Ok(orders.into_iter().take(5).collect())
    }

    /// Stores an operator's decision and makes the order due.
    ///
    /// `context` is the hash of the rule context the operator decided on.
    ///
    /// # Errors
    /// The database's.
    pub async fn decide(
        &self,
        subject_id: i64,
        decision: &Decision,
        actor: &str,
        context: &str,
        today: NaiveDate,
    ) -> Result<(), StoreError> {
        let typed = Typed {
            subject_id,
            seen: None,
            wish: decision.wish(context),
            named: None,
        };
        self.type_all(&[typed], None, actor, today).await
    }
}
