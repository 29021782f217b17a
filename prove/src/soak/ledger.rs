//! Rows that a server has confirmed, counted outside: what a failover may have lost shows by them.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Between two rows, and between two tries to reach the server.
const PAUSE: Duration = Duration::from_millis(20);

/// Writes a row after the other until told to end.
pub(super) struct Ledger {
    stop: CancellationToken,
    writing: JoinHandle<i64>,
}

impl Ledger {
    /// Begins anew at the server behind an address; while that is away, it waits.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn begin(address: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(address).await?;
        sqlx::raw_sql(
            "CREATE SCHEMA IF NOT EXISTS soak; DROP TABLE IF EXISTS soak.ledger; CREATE TABLE soak.ledger (n bigint)",
        )
        .execute(&mut connection)
        .await
        .context("make the ledger")?;
        connection.close().await.ok();
        let stop = CancellationToken::new();
        let writing = tokio::spawn(write(address.to_owned(), stop.clone()));
        Ok(Self { stop, writing })
    }

    /// Ends, and says how many rows were confirmed. Call it while no server answers: a row that is confirmed by the next one
    /// says nothing of the last.
    pub(super) async fn end(self) -> i64 {
        self.stop.cancel();
        self.writing.await.unwrap_or_default()
    }

    /// The last row that the server behind an address has.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn known(address: &str) -> anyhow::Result<i64> {
        let mut connection = PgConnection::connect(address).await?;
        let known = sqlx::query_scalar("SELECT coalesce(max(n), 0) FROM soak.ledger")
            .fetch_one(&mut connection)
            .await;
        connection.close().await.ok();
        known.context("read the ledger")
    }
}

/// The last row that was confirmed.
async fn write(address: String, stop: CancellationToken) -> i64 {
    let mut confirmed = 0;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = rows(&address, &mut confirmed) => sleep(PAUSE).await,
        }
    }
    confirmed
}

/// Rows after the last confirmed one, until the server is away.
async fn rows(address: &str, confirmed: &mut i64) {
    let Ok(mut connection) = PgConnection::connect(address).await else {
        return;
    };
    loop {
        let row = sqlx::query("INSERT INTO soak.ledger VALUES ($1)").bind(*confirmed + 1);
        if row.execute(&mut connection).await.is_err() {
            return;
        }
        *confirmed += 1;
        sleep(PAUSE).await;
    }
}
