//! Codes of warehouses and items, as the policy has them: what changed or is gone gives its code up first.

use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};

use super::{Store, StoreError};
use crate::policy::Policy;

/// Two warehouses that change their codes, or their accounts, would each take what the other still has: those that change give
/// theirs up first, and so does one that the policy has no more.
pub(super) async fn free_codes(
    tx: &mut Transaction<'_, Postgres>,
    policy: &Policy,
) -> Result<(), StoreError> {
    let (mut slug, mut account, mut code) = (Vec::new(), Vec::new(), Vec::new());
    for warehouse in &policy.warehouses {
        slug.push(warehouse.name.clone());
        account.push(warehouse.account.to_string());
        code.push(warehouse.location.clone());
    }
    sqlx::query!(
        "UPDATE locations l SET code = 'was ' || l.id
         FROM unnest($1::text[], $2::text[], $3::text[]) AS t (s, a, c) JOIN accounts a ON a.slug = t.a
         WHERE CASE WHEN l.slug = ANY($1) THEN l.slug = t.s AND (l.code, l.account_id) IS DISTINCT FROM (t.c, a.id)
           ELSE (l.code, l.account_id) IS NOT DISTINCT FROM (t.c, a.id) END",
        &slug, &account, &code as &[Option<String>]
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Codes that the mapping file lists no more mean nothing, and their counts no item.
pub(super) async fn unlist(
    tx: &mut Transaction<'_, Postgres>,
    slugs: &[String],
    codes: &[String],
    listed: bool,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH gone AS (
           DELETE FROM item_codes m USING accounts a WHERE a.id = m.account_id
             AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS t (s, c) WHERE t.s = a.slug AND t.c = m.code)
           RETURNING m.account_id, m.code, m.item_id)
         INSERT INTO allocation_requests (item_id) SELECT DISTINCT item_id FROM gone",
        slugs, codes
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "WITH gone AS (
           DELETE FROM stock s USING locations l, items i WHERE l.id = s.location_id AND i.id = s.item_id AND s.code <> ''
             AND ($1 OR i.code <> s.code)
             AND NOT EXISTS (SELECT FROM item_codes m WHERE m.account_id = l.account_id AND m.code = s.code AND m.item_id = s.item_id)
           RETURNING s.item_id)
         INSERT INTO allocation_requests (item_id) SELECT DISTINCT item_id FROM gone",
        listed
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The cursor of a stream that is asked by our codes, behind this one; `None` begins anew.
pub(crate) fn after_codes(last: Option<&String>) -> Value {
    json!({ "after": last })
}

impl Store {
    /// The next codes of an account to be asked for, at most so many: those of its mapping, and the item's own where it maps none.
    ///
    /// # Errors
    /// The database's.
    pub async fn codes_after(
        &self,
        account_id: i16,
        cursor: Option<&Value>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let after = cursor
            .and_then(|cursor| cursor["after"].as_str())
            .unwrap_or_default();
        Ok(sqlx::query_scalar!(
            r#"SELECT code AS "code!" FROM (
                 (SELECT code FROM item_codes WHERE account_id = $1 AND code > $2 ORDER BY code LIMIT $3)
                 UNION ALL
                 (SELECT i.code FROM items i WHERE i.kind = 'stock' AND i.code > $2
                    AND NOT EXISTS (SELECT FROM item_codes m WHERE m.account_id = $1 AND m.item_id = i.id)
                    AND NOT EXISTS (SELECT FROM item_codes m WHERE m.account_id = $1 AND m.code = i.code) ORDER BY i.code LIMIT $3)) AS c
               ORDER BY code LIMIT $3"#,
            account_id,
            after,
            i64::try_from(most).unwrap_or(i64::MAX)
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
