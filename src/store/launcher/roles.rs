//! Two roles: the daemon's, which owns its database and its tables and is no superuser, and the administrator's for what
//! needs one: base backups, replication, extensions, making the daemon's role and database.
//!
//! Up to the version that keeps them apart, the daemon's role was the cluster's administrator. PostgreSQL does not take that
//! from the role it was made with, so the role gets the administrator's name, and the daemon a new role with the old one.
//!
//! The administrator works in a database whose objects are the daemon's to make: it looks for names in `pg_catalog` alone.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

use super::error::LauncherError;
use super::layout::Layout;

/// The daemon's role, which owns everything in its database.
pub(super) const ROLE: &str = "hikiate";

/// The cluster's superuser.
pub(super) const ADMIN: &str = "hikiate_admin";

/// A superuser for a moment: no role can rename itself.
pub(super) const CHANGE: &str = "hikiate_change";

/// SQLSTATE of a role that does not exist, or may not be taken.
pub(super) const NO_SUCH_ROLE: &str = "28000";

/// SQLSTATE of a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Seconds that a statement of the launcher waits for a lock: a session of an adopted server may hold one for ever.
const LOCK_SECONDS: u64 = 15;

/// What the daemon's role may be at the most.
const LEAST: &str = "LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS";

/// Takes the daemon's role out of every other one, whoever let it in.
const TAKE_BACK: &str = r"
DO $$
DECLARE
  line text;
BEGIN
  FOR line IN
    SELECT pg_catalog.format('REVOKE %I FROM hikiate%s CASCADE', r.rolname,
      coalesce(' GRANTED BY ' || pg_catalog.quote_ident(g.rolname), ''))
    FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
      LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
    WHERE m.member = 'hikiate'::pg_catalog.regrole
  LOOP
    EXECUTE line;
  END LOOP;
END
$$";

/// Gives the daemon's role what an operator made as the administrator, or an earlier version as both: PostgreSQL itself does
/// not reassign what belongs to the role it was made with.
const HAND_OVER: &str = r"
DO $$
DECLARE
  line text;
BEGIN
  FOR line IN
    SELECT pg_catalog.format('ALTER SCHEMA %I OWNER TO hikiate', n.nspname) FROM pg_catalog.pg_namespace n
    WHERE n.nspowner = 'hikiate_admin'::pg_catalog.regrole AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT pg_catalog.format('ALTER %s %s OWNER TO hikiate',
      CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
      c.oid::pg_catalog.regclass)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner = 'hikiate_admin'::pg_catalog.regrole AND c.relkind IN ('r', 'p', 'S', 'v', 'm')
      AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      -- A column's sequence follows its table, and what an extension made stays with it.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::pg_catalog.regclass AND d.objid = c.oid
                      AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype IN ('a', 'i')))
    UNION ALL
    SELECT pg_catalog.format('ALTER ROUTINE %s OWNER TO hikiate', p.oid::pg_catalog.regprocedure)
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proowner = 'hikiate_admin'::pg_catalog.regrole AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT pg_catalog.format('ALTER TYPE %s OWNER TO hikiate', t.oid::pg_catalog.regtype)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE t.typowner = 'hikiate_admin'::pg_catalog.regrole AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
      AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')
  LOOP
    EXECUTE line;
  END LOOP;
END
$$";

/// How to reach a database as one of the roles.
pub(super) fn options(layout: &Layout, role: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&layout.run)
        .port(5432)
        .username(role)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        // What the daemon's role made in its database must not run with the administrator's rights. These win over what the
        // role or the database sets. Without its name `pg_temp` would come first.
        .options([
            ("search_path", "pg_catalog,pg_temp".to_owned()),
            ("lock_timeout", format!("{LOCK_SECONDS}s")),
        ])
        .disable_statement_logging()
}

/// Makes the roles and the database, or what is missing of them.
pub(super) async fn make(layout: &Layout, database: &str) -> Result<(), LauncherError> {
    make_missing(layout, database)
        .await
        .map_err(|error| match error {
            LauncherError::Database(sqlx::Error::Database(inner))
                if inner.code().as_deref() == Some(LOCK_NOT_AVAILABLE) =>
            {
                LauncherError::LockHeld {
                    seconds: LOCK_SECONDS,
                }
            }
            other => other,
        })
}

async fn make_missing(layout: &Layout, database: &str) -> Result<(), LauncherError> {
    let mut admin = match connect(layout, ADMIN, "postgres").await {
        Err(LauncherError::Database(sqlx::Error::Database(error)))
            if error.code().as_deref() == Some(NO_SUCH_ROLE) =>
        {
            change_over(layout).await?;
            connect(layout, ADMIN, "postgres").await?
        }
        connected => connected?,
    };
    for line in [
        // The rules for connections may be newer than the server.
        "SELECT pg_catalog.pg_reload_conf()".to_owned(),
        format!("DROP ROLE IF EXISTS {CHANGE}"),
    ] {
        run(&mut admin, line).await?;
    }
    restrain(&mut admin).await?;
    let quoted = format!("\"{}\"", database.replace('"', "\"\""));
    let owner: Option<String> = sqlx::query_scalar(
        "SELECT pg_catalog.pg_get_userbyid(datdba)::text FROM pg_catalog.pg_database WHERE datname = $1",
    )
    .bind(database)
    .fetch_optional(&mut admin)
    .await?;
    match owner.as_deref() {
        None => run(&mut admin, format!("CREATE DATABASE {quoted} OWNER {ROLE}")).await?,
        Some(ROLE) => {}
        Some(_) => {
            run(
                &mut admin,
                format!("ALTER DATABASE {quoted} OWNER TO {ROLE}"),
            )
            .await?
        }
    }
    admin.close().await?;
    let mut inside = connect(layout, ADMIN, database).await?;
    run(&mut inside, HAND_OVER.to_owned()).await?;
    // Once more after what was done among the daemon's own objects.
    restrain(&mut inside).await?;
    inside.close().await?;
    Ok(())
}

/// Makes the daemon's role, or takes from it what it may not be or belong to.
async fn restrain(admin: &mut PgConnection) -> Result<(), LauncherError> {
    let beyond: Option<bool> = sqlx::query_scalar(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_catalog.pg_roles
         WHERE rolname = $1",
    )
    .bind(ROLE)
    .fetch_optional(&mut *admin)
    .await?;
    match beyond {
        None => run(admin, format!("CREATE ROLE {ROLE} {LEAST}")).await?,
        Some(true) => {
            tracing::warn!(
                "the daemon's database role had rights beyond its own; they are taken back"
            );
            run(admin, format!("ALTER ROLE {ROLE} {LEAST}")).await?;
        }
        Some(false) => {}
    }
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT pg_catalog.pg_get_userbyid(m.roleid)::text FROM pg_catalog.pg_auth_members m
         JOIN pg_catalog.pg_roles r ON r.oid = m.member WHERE r.rolname = $1 ORDER BY 1",
    )
    .bind(ROLE)
    .fetch_all(&mut *admin)
    .await?;
    if !others.is_empty() {
        tracing::warn!(
            roles = others.join(", "),
            "the daemon's database role was a member of other roles; that is taken back"
        );
        run(admin, TAKE_BACK.to_owned()).await?;
    }
    Ok(())
}

/// A cluster of an earlier version: its administrator has the daemon's name.
async fn change_over(layout: &Layout) -> Result<(), LauncherError> {
    let mut old = connect(layout, ROLE, "postgres").await?;
    let known: Option<i32> =
        sqlx::query_scalar("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1")
            .bind(CHANGE)
            .fetch_optional(&mut old)
            .await?;
    if known.is_none() {
        run(&mut old, format!("CREATE ROLE {CHANGE} LOGIN SUPERUSER")).await?;
    }
    old.close().await?;
    let mut change = connect(layout, CHANGE, "postgres").await?;
    run(&mut change, format!("ALTER ROLE {ROLE} RENAME TO {ADMIN}")).await?;
    change.close().await?;
    tracing::info!(
        "the daemon's database role is no superuser any more; the administrator is {ADMIN}"
    );
    Ok(())
}

async fn connect(
    layout: &Layout,
    role: &str,
    database: &str,
) -> Result<PgConnection, LauncherError> {
    Ok(PgConnection::connect_with(&options(layout, role, database)).await?)
}

async fn run(connection: &mut PgConnection, line: String) -> Result<(), LauncherError> {
    sqlx::raw_sql(AssertSqlSafe(line))
        .execute(connection)
        .await?;
    Ok(())
}
