//! A database per test, cloned from a template that was migrated once.

use std::path::Path;
use std::process::id;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sha2::{Digest as _, Sha256};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::sync::OnceCell;
use url::Url;

use super::cluster;

/// Serialises the making of templates between processes.
const TEMPLATE_LOCK: i64 = 0x68_6b_74_70;

/// A migrated, empty database of one test; dropped with the value.
#[derive(Debug)]
pub struct TestDb {
    /// Its address, for a process under test.
    pub url: String,
    /// A pool into it.
    pub pool: PgPool,
    name: String,
    admin: PgConnectOptions,
}

/// Gives the test a database of its own.
pub async fn db() -> TestDb {
    let run = Run::get().await;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "hikiate_test_{}_{}",
        id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let mut connection = PgConnection::connect_with(&run.admin).await.unwrap();
    execute(
        &mut connection,
        format!("CREATE DATABASE {name} TEMPLATE {}", run.template),
    )
    .await;
    connection.close().await.unwrap();
    let mut url = run.url.clone();
    url.set_path(&name);
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_with(run.admin.clone().database(&name))
        .await
        .unwrap();
    TestDb {
        url: url.into(),
        pool,
        name,
        admin: run.admin.clone(),
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (name, admin) = (self.name.clone(), self.admin.clone());
        // The test's own runtime may be ending; a failure here is swept by the next run.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async move {
                let mut connection = PgConnection::connect_with(&admin).await?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::query(AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await?;
                connection.close().await
            })
        });
        match dropping.join() {
            Ok(Ok(())) => {}
            other => println!("test database {} was not dropped: {other:?}", self.name),
        }
    }
}

/// What all tests of this process share.
struct Run {
    url: Url,
    admin: PgConnectOptions,
    template: String,
}

impl Run {
    async fn get() -> &'static Self {
        static RUN: OnceCell<Run> = OnceCell::const_new();
        RUN.get_or_init(Self::begin).await
    }

    async fn begin() -> Self {
        let url = cluster::url().await;
        let admin = PgConnectOptions::from_str(&url).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let migrator = Migrator::new(folder).await.unwrap();
        let mut connection = PgConnection::connect_with(&admin).await.unwrap();
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(TEMPLATE_LOCK)
            .execute(&mut connection)
            .await
            .unwrap();
        sweep(&mut connection).await;
        let template = template(&mut connection, &admin, &migrator).await;
        // Closing gives the lock back.
        connection.close().await.unwrap();
        Self {
            url: Url::parse(&url).unwrap(),
            admin,
            template,
        }
    }
}

/// The template for exactly these migrations, made if it is not there. It gets its name when whole.
async fn template(
    connection: &mut PgConnection,
    admin: &PgConnectOptions,
    migrator: &Migrator,
) -> String {
    let mut hash = Sha256::new();
    for migration in migrator.iter() {
        hash.update(migration.version.to_be_bytes());
        hash.update(&*migration.checksum);
    }
    let name = format!("hikiate_template_{}", &hex::encode(hash.finalize())[..16]);
    let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_optional(&mut *connection)
        .await
        .unwrap();
    if known.is_none() {
        let making = format!("{name}_making");
        execute(
            connection,
            format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)"),
        )
        .await;
        execute(connection, format!("CREATE DATABASE {making}")).await;
        let mut inside = PgConnection::connect_with(&admin.clone().database(&making))
            .await
            .unwrap();
        migrator.run(&mut inside).await.unwrap();
        inside.close().await.unwrap();
        execute(
            connection,
            format!("ALTER DATABASE {making} RENAME TO {name}"),
        )
        .await;
    }
    name
}

/// Drops what killed test processes left in a cluster that outlives its runs.
async fn sweep(connection: &mut PgConnection) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    let names: Vec<String> = sqlx::query_scalar(
        r"SELECT datname::text FROM pg_database WHERE datname LIKE 'hikiate\_test\_%'",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for name in names {
        let owner = name.split('_').nth(2).unwrap_or_default();
        if !Path::new("/proc").join(owner).exists() {
            execute(
                connection,
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            )
            .await;
        }
    }
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}
