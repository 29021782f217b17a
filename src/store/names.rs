//! Names of receivers that operators wrote over the channel's. They are personal data and stay out of facts.

use std::collections::BTreeMap;

use hikiate_sdk::{GroupKey, Personal};
use sqlx::{Postgres, Transaction};

use super::{Store, StoreError};

/// Another name of a delivery group's receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverName {
    /// The group.
    pub group: GroupKey,
    /// In place of the channel's name and company; `None` is the channel's again.
    pub instead: Option<Instead>,
}

/// What is written in place of what the channel tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Instead {
    /// In place of its name.
    pub name: String,
    /// In place of its company; `None` leaves that.
    pub company: Option<String>,
}

impl std::fmt::Debug for ReceiverName {
    /// Never shows whom it is about.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiverName")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Lays a name over the one that the channel tells now, or takes it off again.
    pub(super) async fn name_receiver(
        tx: &mut Transaction<'_, Postgres>,
        subject_id: i64,
        named: &ReceiverName,
    ) -> Result<(), StoreError> {
        let Some(instead) = &named.instead else {
            sqlx::query!(
                "DELETE FROM receiver_names WHERE subject_id = $1 AND group_key = $2",
                subject_id,
                named.group.as_str()
            )
            .execute(&mut **tx)
            .await?;
            return Ok(());
        };
        sqlx::query!(
            "INSERT INTO receiver_names (subject_id, group_key, version, name, company, stored_at)
             SELECT $1, $2, max(version), $3, $4, (SELECT hk_now()) FROM personal WHERE subject_id = $1 HAVING max(version) IS NOT NULL
             ON CONFLICT (subject_id, group_key) DO UPDATE SET version = excluded.version, name = excluded.name,
               company = excluded.company, stored_at = excluded.stored_at",
            subject_id,
            named.group.as_str(),
            instead.name,
            instead.company.as_ref()
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Puts the names in that still count: the channel has told no other one since.
    pub(super) async fn apply_names(
        tx: &mut Transaction<'_, Postgres>,
        orders: &[i64],
        persons: &mut BTreeMap<i64, Personal>,
    ) -> Result<(), StoreError> {
        for row in sqlx::query!(
            "SELECT n.subject_id, n.group_key, n.name, n.company FROM receiver_names n
               JOIN personal told ON told.subject_id = n.subject_id AND told.version = n.version
             WHERE n.subject_id = ANY($1) AND NOT EXISTS (SELECT FROM personal p WHERE p.subject_id = n.subject_id AND p.version > n.version
               AND (p.body #>> ARRAY['ship_to', n.group_key, 'name'], p.body #>> ARRAY['ship_to', n.group_key, 'company'])
                 IS DISTINCT FROM (told.body #>> ARRAY['ship_to', n.group_key, 'name'], told.body #>> ARRAY['ship_to', n.group_key, 'company']))",
            orders
        )
        .fetch_all(&mut **tx)
        .await?
        {
            let personal = persons.get_mut(&row.subject_id);
            if let Some(party) = personal.and_then(|all| all.ship_to.get_mut(row.group_key.as_str())) {
                party.name = row.name;
                if let Some(company) = row.company {
                    party.company = company;
                }
            }
        }
        Ok(())
    }
}
