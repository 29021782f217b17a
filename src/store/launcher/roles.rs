//! Two roles: the daemon's, which owns its database and its tables and is no superuser, and the administrator's for what
//! needs one: base backups, replication, extensions, making the daemon's role and database.
//!
//! Up to the version that keeps them apart, the daemon's role was the cluster's administrator. PostgreSQL does not take that
//! from the role it was made with, so the role gets the administrator's name, and the daemon a new role with the old one.

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

/// Gives the daemon's role what an operator made as the administrator, or an earlier version as both: PostgreSQL itself does
/// not reassign what belongs to the role it was made with.
const HAND_OVER: &str = r"
DO $$
DECLARE
  line text;
BEGIN
  FOR line IN
    SELECT format('ALTER SCHEMA %I OWNER TO hikiate', n.nspname) FROM pg_namespace n
    WHERE n.nspowner = 'hikiate_admin'::regrole AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT format('ALTER %s %s OWNER TO hikiate',
      CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
      c.oid::regclass)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner = 'hikiate_admin'::regrole AND c.relkind IN ('r', 'p', 'S', 'v', 'm')
      AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      -- A column's sequence follows its table, and what an extension made stays with it.
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype IN ('a', 'i')))
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO hikiate', p.oid::regprocedure)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proowner = 'hikiate_admin'::regrole AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('ALTER TYPE %s OWNER TO hikiate', t.oid::regtype)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typowner = 'hikiate_admin'::regrole AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
      AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
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
        .disable_statement_logging()
}

/// Makes the roles and the database, or what is missing of them.
pub(super) async fn make(layout: &Layout, database: &str) -> Result<(), LauncherError> {
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
        "SELECT pg_reload_conf()".to_owned(),
        format!("DROP ROLE IF EXISTS {CHANGE}"),
    ] {
        run(&mut admin, line).await?;
    }
    let daemon: Option<bool> =
        sqlx::query_scalar("SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = $1")
            .bind(ROLE)
            .fetch_optional(&mut admin)
            .await?;
    let least = "LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS";
    match daemon {
        None => run(&mut admin, format!("CREATE ROLE {ROLE} {least}")).await?,
        Some(true) => run(&mut admin, format!("ALTER ROLE {ROLE} {least}")).await?,
        Some(false) => {}
    }
    let quoted = format!("\"{}\"", database.replace('"', "\"\""));
    let owner: Option<String> = sqlx::query_scalar(
        "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1",
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
    inside.close().await?;
    Ok(())
}

/// A cluster of an earlier version: its administrator has the daemon's name.
async fn change_over(layout: &Layout) -> Result<(), LauncherError> {
    let mut old = connect(layout, ROLE, "postgres").await?;
    let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_roles WHERE rolname = $1")
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
