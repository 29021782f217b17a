//! Connecting, migrating, and the rows that name what the configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hikiate_sdk::{AccountSlug, OrderSnapshot};
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use tracing::info;

use super::codes::{free_codes, unlist};
use super::witness::Witness;
use super::{PaymentName, StoreError};
use crate::plan::NameKind;
use crate::policy::{Catalogue, Policy};

/// The code level of this binary; a migration that an older binary must not work on raises the gate above it.
pub(super) const CODE_LEVEL: i32 = 12;

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pool: PgPool,
    pub(super) retries: Arc<AtomicU64>,
    /// Sessions that began before this are used no more.
    stale: Arc<Mutex<Option<Instant>>>,
    /// What new connections are compared with.
    pub(super) witness: Witness,
}

/// Ids of what the configuration names. Slugs are never reused, so this never goes stale.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    accounts: BTreeMap<AccountSlug, i16>,
    slugs: BTreeMap<i16, AccountSlug>,
    locations: BTreeMap<String, LocationRow>,
    names: BTreeMap<i16, String>,
    /// Where a channel's way of paying is reported, when that is another account.
    payments: BTreeMap<(i16, String), i16>,
}

/// An account as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Row id.
    pub id: i16,
    /// Name.
    pub slug: AccountSlug,
}

/// A warehouse as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationRow {
    /// Row id.
    pub id: i16,
    /// The account that is instructed.
    pub account_id: i16,
    /// The external system's code.
    pub code: Option<String>,
}

impl Directory {
    /// The id of an account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a name the database has never seen.
    pub fn account(&self, slug: &AccountSlug) -> Result<i16, StoreError> {
        self.accounts
            .get(slug)
            .copied()
            .ok_or_else(|| StoreError::NotFound(format!("no account {slug}")))
    }

    /// The name of an account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an id that was made after this directory was read.
    pub fn slug(&self, id: i16) -> Result<&AccountSlug, StoreError> {
        self.slugs
            .get(&id)
            .ok_or_else(|| StoreError::NotFound(format!("no account with id {id}")))
    }

    /// A warehouse by our name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a name the database has never seen.
    pub fn location(&self, name: &str) -> Result<&LocationRow, StoreError> {
        self.locations
            .get(name)
            .ok_or_else(|| StoreError::NotFound(format!("no warehouse {name}")))
    }

    /// The name of a warehouse.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an id that was made after this directory was read.
    pub fn location_name(&self, id: i16) -> Result<&str, StoreError> {
        self.names
            .get(&id)
            .map(String::as_str)
            .ok_or_else(|| StoreError::NotFound(format!("no warehouse with id {id}")))
    }

    /// With the accounts that report the payments of a policy's channels.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an account that has no row.
    pub fn with_payments(mut self, policy: &Policy) -> Result<Self, StoreError> {
        for (slug, channel) in &policy.channels {
            for (gateway, route) in &channel.payments {
                if let Some(account) = route.elsewhere() {
                    let place = (self.account(slug)?, gateway.clone());
                    let account = self.account(account)?;
                    self.payments.insert(place, account);
                }
            }
        }
        Ok(self)
    }

    /// The names of an order's payments at other accounts; `None` where none of its channel's is reported elsewhere.
    #[must_use]
    pub fn payment_names(
        &self,
        channel: i16,
        order: &OrderSnapshot,
    ) -> Option<BTreeSet<PaymentName>> {
        let mut routes = self.payments.range((channel, String::new())..);
        routes.next().filter(|((id, _), _)| *id == channel)?;
        let mut names = BTreeSet::new();
        for tender in &order.tenders {
            let place = (channel, tender.gateway.clone());
            let (Some(account), Some(known)) = (self.payments.get(&place), &tender.provider) else {
                continue;
            };
            let key = known.key.as_ref().map(|key| (NameKind::Key, key.as_str()));
            let reference = known.reference.as_deref();
            let reference = reference.map(|name| (NameKind::Reference, name));
            names.extend(
                key.into_iter()
                    .chain(reference)
                    .map(|(kind, name)| PaymentName {
                        account_id: *account,
                        kind,
                        name: name.to_owned(),
                    }),
            );
        }
        Some(names)
    }

    /// One warehouse without a location code, behind this account.
    #[cfg(test)]
    pub(crate) fn of_one_warehouse(account_id: i16) -> Self {
        let row = LocationRow {
            id: 1,
            account_id,
            code: None,
        };
        Self {
            locations: [("tokyo".to_owned(), row)].into(),
            ..Self::default()
        }
    }

    /// The same, with this location code.
    #[cfg(test)]
    pub(crate) fn at(mut self, code: &str) -> Self {
        for location in self.locations.values_mut() {
            location.code = Some(code.to_owned());
        }
        self
    }

    /// Some warehouse of ours is reached through this account.
    #[must_use]
    pub fn has_warehouse(&self, account_id: i16) -> bool {
        self.locations.values().any(|l| l.account_id == account_id)
    }

    /// The warehouse behind an account's code of a place; one without a code takes every code.
    #[must_use]
    pub fn location_of(&self, account_id: i16, code: Option<&str>) -> Option<i16> {
        let mut mine = self
            .locations
            .values()
            .filter(|l| l.account_id == account_id);
        mine.clone()
            .find(|l| l.code.is_some() && l.code.as_deref() == code)
            .or_else(|| mine.find(|l| l.code.is_none()))
            .map(|l| l.id)
    }
}

/// More than the program has: a connection that forgets some would parse and plan them again each time.
const STATEMENTS: usize = 512;

/// Runs what is missing, in a database that can hold what is stored.
async fn apply(migrations: &Migrator, own: &PgPool) -> Result<(), StoreError> {
    let mut connection = own.acquire().await?;
    check_encoding(&mut connection).await?;
    let current = is_current(migrations, &mut connection).await?;
    drop(connection);
    if current {
        return Ok(());
    }
    Ok(migrations.run(own).await?)
}

/// Refuses a database that is not in UTF-8: it cannot compare tracking numbers, which PostgreSQL normalises in UTF-8 alone, and
/// one without an encoding stores bytes that nobody checks.
async fn check_encoding(connection: &mut PgConnection) -> Result<(), StoreError> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(connection)
        .await?;
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(StoreError::Encoding(encoding))
    }
}

/// Whether every migration is applied as it is here. Only asked, since the migrator itself begins with a `CREATE TABLE` and a
/// lock, which a database that takes no changes refuses also where there is nothing to do.
async fn is_current(
    migrations: &Migrator,
    connection: &mut PgConnection,
) -> Result<bool, MigrateError> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    let table = &migrations.table_name;
    if !there || connection.dirty_version(table).await?.is_some() {
        return Ok(false);
    }
    let applied = connection.list_applied_migrations(table).await?;
    Ok(migrations.iter().all(|ours| {
        let mut applied = applied.iter();
        applied.any(|a| a.version == ours.version && a.checksum == ours.checksum)
    }))
}

impl Store {
    /// Connects; the pool opens connections when they are needed.
    ///
    /// # Errors
    /// A malformed URL, without repeating it.
    pub fn connect(url: &str, connections: u32) -> Result<Self, StoreError> {
        Self::connect_with(url, connections, &Witness::none())
    }

    /// As [`Store::connect`]; each new connection is compared with the witness before it is used.
    ///
    /// # Errors
    /// A malformed URL, without repeating it.
    pub fn connect_with(
        url: &str,
        connections: u32,
        witness: &Witness,
    ) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.statement_cache_capacity(STATEMENTS).options([
            ("idle_in_transaction_session_timeout", "60s"),
            ("lock_timeout", "30s"),
            ("timezone", "UTC"),
        ]);
        let (witness, kept) = (witness.clone(), witness.clone());
        let stale: Arc<Mutex<Option<Instant>>> = Arc::default();
        let asked = Arc::clone(&stale);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .before_acquire(move |_, session| {
                let stale = *asked.lock().unwrap_or_else(PoisonError::into_inner);
                let usable = stale.is_none_or(|at| at.elapsed() > session.age);
                Box::pin(async move { Ok(usable) })
            })
            .after_connect(move |connection, _| {
                let witness = witness.clone();
                Box::pin(async move {
                    match Self::watch(connection, &witness).await {
                        Err(StoreError::Database(error)) => Err(error),
                        Err(error) => Err(sqlx::Error::Protocol(error.to_string())),
                        Ok(()) => Ok(()),
                    }
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            stale,
            witness: kept,
            ..Self::over(pool)
        })
    }

    /// After a session that takes no changes, others are opened: one that began so stays so when the database takes changes
    /// again.
    pub fn renew_sessions(&self, error: &StoreError) {
        if error.is_read_only() {
            let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
            *stale = Some(Instant::now());
        }
    }

    /// The pool, for tests.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Wraps a pool, for tests.
    #[must_use]
    pub fn over(pool: PgPool) -> Self {
        Self {
            pool,
            retries: Arc::default(),
            stale: Arc::default(),
            witness: Witness::none(),
        }
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Applies the embedded migrations under PostgreSQL's advisory lock, then checks the gate. A migration that deadlocks
    /// with a daemon that is still at work is repeated like any transaction.
    ///
    /// # Errors
    /// A failed migration, a database that is not in UTF-8, or a schema newer than this binary.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.retried("migration", || self.migrate_once()).await?;
        self.check_gate().await
    }

    async fn migrate_once(&self) -> Result<(), StoreError> {
        let mut migrations = sqlx::migrate!("./migrations");
        // What a newer version has added is the gate's to judge: most of it an older binary can work with.
        migrations.set_ignore_missing(true);
        // Closed whatever happens: after a failed migration its connection still holds the advisory lock.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(self.pool.connect_options().as_ref().clone());
        let done = apply(&migrations, &own).await;
        own.close().await;
        done
    }

    /// Refuses a schema that is newer than this binary.
    ///
    /// # Errors
    /// [`StoreError::Gate`].
    pub async fn check_gate(&self) -> Result<(), StoreError> {
        let needs = sqlx::query_scalar!("SELECT min_code FROM gate")
            .fetch_one(&self.pool)
            .await?;
        if needs > CODE_LEVEL {
            Err(StoreError::Gate {
                needs,
                has: CODE_LEVEL,
            })
        } else {
            Ok(())
        }
    }

    /// The database's time, which every due time and lease uses.
    ///
    /// # Errors
    /// The database's.
    pub async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        Ok(sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
            .fetch_one(&self.pool)
            .await?)
    }

    /// The same inside a transaction.
    ///
    /// # Errors
    /// The database's.
    pub async fn now_in(
        &self,
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
    ) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        Ok(sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
            .fetch_one(&mut **tx)
            .await?)
    }

    /// True when the clock was set or shifted; refused on a database given by URL.
    ///
    /// # Errors
    /// The database's.
    pub async fn clock_is_set(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT (fixed_at IS NOT NULL OR shift <> '0') AS "set!" FROM clock"#
        )
        .fetch_optional(&self.pool)
        .await?
        .unwrap_or(false))
    }

    /// Sets (`Some`) or frees (`None`) the clock and shifts it, for tests and the demo.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_clock(
        &self,
        fixed_at: Option<chrono::DateTime<chrono::Utc>>,
        shift: chrono::Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE clock SET fixed_at = $1, shift = make_interval(secs => $2::bigint)",
            fixed_at,
            shift.num_seconds()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes a row for every account, warehouse and listed item of the policy, and reads the directory.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when an account changed its connector: a name is never reused.
    pub async fn register(
        &self,
        accounts: &[(AccountSlug, &str)],
        policy: &Policy,
    ) -> Result<Directory, StoreError> {
        let mut tx = self.pool.begin().await?;
        // Only what is missing is inserted: a row that conflicts would be locked, with which a daemon that starts
        // stops those that work, and each would use up a number of its small series.
        let slugs: Vec<String> = accounts.iter().map(|(slug, _)| slug.to_string()).collect();
        let connectors: Vec<String> = accounts.iter().map(|(_, c)| (*c).to_owned()).collect();
        sqlx::query!(
            "INSERT INTO accounts (slug, connector) SELECT t.s, t.c FROM unnest($1::text[], $2::text[]) AS t (s, c)
             WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.slug = t.s) ORDER BY 1 ON CONFLICT (slug) DO NOTHING",
            &slugs,
            &connectors
        )
        .execute(&mut *tx)
        .await?;
        let kept = sqlx::query!(
            "SELECT slug, connector FROM accounts WHERE slug = ANY($1)",
            &slugs
        )
        .fetch_all(&mut *tx)
        .await?;
        for (slug, connector) in accounts {
            let was = kept.iter().find(|row| row.slug == slug.as_str());
            if let Some(row) = was.filter(|row| row.connector != *connector) {
                return Err(StoreError::Refused(format!(
                    "account {slug} was a {} account and is a {connector} account now: names are never reused, choose a new one",
                    row.connector
                )));
            }
        }
        free_codes(&mut tx, policy).await?;
        for warehouse in &policy.warehouses {
            sqlx::query!(
                "INSERT INTO locations (slug, account_id, code)
                 SELECT $1, id, $3 FROM accounts WHERE slug = $2 AND NOT EXISTS (SELECT FROM locations l WHERE l.slug = $1)
                 ON CONFLICT (slug) DO NOTHING",
                warehouse.name,
                warehouse.account.as_str(),
                warehouse.location
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "UPDATE locations l SET code = $3, account_id = a.id FROM accounts a
                 WHERE l.slug = $1 AND a.slug = $2 AND (l.code, l.account_id) IS DISTINCT FROM ($3, a.id)",
                warehouse.name,
                warehouse.account.as_str(),
                warehouse.location
            )
            .execute(&mut *tx)
            .await?;
        }
        Self::begin_always(&mut tx, policy).await?;
        let listed = matches!(policy.catalogue, Catalogue::Listed(_));
        sqlx::query!("UPDATE gate SET listed = $1 WHERE listed <> $1", listed)
            .execute(&mut *tx)
            .await?;
        if let Catalogue::Listed(rows) = &policy.catalogue {
            let items: Vec<String> = rows.iter().map(|r| r.item.clone()).collect();
            let slugs: Vec<String> = rows.iter().map(|r| r.account.to_string()).collect();
            let codes: Vec<String> = rows.iter().map(|r| r.code.clone()).collect();
            let multipliers: Vec<i32> = rows
                .iter()
                .map(|r| i32::try_from(r.multiplier).unwrap_or(i32::MAX))
                .collect();
            sqlx::query!(
                "INSERT INTO items (code) SELECT DISTINCT t.i FROM unnest($1::text[]) AS t (i) ORDER BY 1 ON CONFLICT (code) DO NOTHING",
                &items
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "INSERT INTO item_codes (account_id, code, item_id, multiplier)
                 SELECT a.id, t.c, i.id, t.m FROM unnest($1::text[], $2::text[], $3::text[], $4::int[]) AS t (i, s, c, m)
                 JOIN accounts a ON a.slug = t.s JOIN items i ON i.code = t.i ORDER BY 1, 2
                 ON CONFLICT (account_id, code) DO UPDATE SET item_id = excluded.item_id, multiplier = excluded.multiplier",
                &items, &slugs, &codes, &multipliers
            )
            .execute(&mut *tx)
            .await?;
            unlist(&mut tx, &slugs, &codes, true).await?;
        } else {
            unlist(&mut tx, &[], &[], false).await?;
        }
        tx.commit().await?;
        self.directory().await?.with_payments(policy)
    }

    /// Reads the names.
    ///
    /// # Errors
    /// The database's.
    pub async fn directory(&self) -> Result<Directory, StoreError> {
        let mut directory = Directory::default();
        for row in sqlx::query!("SELECT id, slug FROM accounts")
            .fetch_all(&self.pool)
            .await?
        {
            let slug = AccountSlug::new(row.slug);
            directory.accounts.insert(slug.clone(), row.id);
            directory.slugs.insert(row.id, slug);
        }
        for row in sqlx::query!("SELECT id, slug, account_id, code FROM locations")
            .fetch_all(&self.pool)
            .await?
        {
            directory.names.insert(row.id, row.slug.clone());
            directory.locations.insert(
                row.slug,
                LocationRow {
                    id: row.id,
                    account_id: row.account_id,
                    code: row.code,
                },
            );
        }
        Ok(directory)
    }

    /// Stores the policy, makes it the one in force, activates rules that were not active before, and ends those that
    /// it has no more.
    ///
    /// # Errors
    /// The database's.
    pub async fn activate_policy(
        &self,
        hash: &[u8],
        document: &serde_json::Value,
        rules: &[(String, AccountSlug)],
    ) -> Result<i32, StoreError> {
        self.retried("activate_policy", || {
            self.activate_once(hash, document, rules)
        })
        .await
    }

    async fn activate_once(
        &self,
        hash: &[u8],
        document: &serde_json::Value,
        rules: &[(String, AccountSlug)],
    ) -> Result<i32, StoreError> {
        let mut tx = self.pool.begin().await?;
        let id = sqlx::query_scalar!(
            "INSERT INTO policies (hash, document, loaded_at) VALUES ($1, $2, (SELECT hk_now()))
             ON CONFLICT (hash) DO UPDATE SET loaded_at = excluded.loaded_at RETURNING id",
            hash,
            document
        )
        .fetch_one(&mut *tx)
        .await?;
        let before = sqlx::query_scalar!("SELECT policy_id FROM gate FOR UPDATE")
            .fetch_one(&mut *tx)
            .await?;
        sqlx::query!("UPDATE gate SET policy_id = $1", id)
            .execute(&mut *tx)
            .await?;
        let names: Vec<String> = rules
            .iter()
            .map(|(automation, _)| automation.clone())
            .collect();
        let slugs: Vec<String> = rules
            .iter()
            .map(|(_, account)| account.to_string())
            .collect();
        sqlx::query!(
            "INSERT INTO automations (automation, account_id, active_from)
             SELECT t.r, a.id, (SELECT hk_now()) FROM unnest($1::text[], $2::text[]) AS t (r, s) JOIN accounts a ON a.slug = t.s
             ORDER BY 1, 2 ON CONFLICT (automation, account_id) DO NOTHING",
            &names,
            &slugs
        )
        .execute(&mut *tx)
        .await?;
        // What the policy has dropped ends: on again, it acts on what comes after. A warehouse is no switch: orders
        // that waited while it was away are still to be shipped.
        let ended = sqlx::query!(
            r#"DELETE FROM automations e USING accounts a WHERE a.id = e.account_id AND e.automation <> 'instruct'
                 AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS t (r, s) WHERE t.r = e.automation AND t.s = a.slug)
               RETURNING e.automation, a.slug"#,
            &names,
            &slugs
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in ended {
            info!(
                automation = row.automation,
                account = row.slug,
                "no longer in the policy; switched on again, it will act only on what comes after"
            );
        }
        if before != Some(id) {
            // A new policy decides what is still undecided: open orders are planned again, behind all new input.
            sqlx::query!(
                "WITH mine AS (
                   SELECT id FROM subjects WHERE kind = 'order' AND closed_at IS NULL AND (plan_at IS NULL OR plan_class = 1)
                     AND status IN ('received', 'unallocated', 'backordered', 'allocated')
                   ORDER BY id FOR NO KEY UPDATE)
                 UPDATE subjects s SET plan_at = (SELECT hk_now()), plan_class = 2 FROM mine WHERE s.id = mine.id"
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        match before {
            Some(before) if before != id => info!(
                policy = id,
                before, "policy changed: orders that are not instructed yet are planned again"
            ),
            _ => {}
        }
        Ok(id)
    }
}
