//! Two sessions taking turns: one stands still in an open transaction while the other runs into it.

use std::future::Future;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Longer than any of this takes.
const BOUND: Duration = Duration::from_secs(120);

/// The session of a connection.
pub async fn session(connection: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Waits until some session of this database waits for a lock of `holder`, and names it.
pub async fn blocked_by(pool: &PgPool, holder: i32) -> i32 {
    let begun = Instant::now();
    loop {
        let waiting: Option<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND $1 = ANY(pg_blocking_pids(pid))",
        )
        .bind(holder)
        .fetch_optional(pool)
        .await
        .unwrap();
        if let Some(pid) = waiting {
            return pid;
        }
        assert!(begun.elapsed() < BOUND, "nobody waits for session {holder}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Starts something and comes back once it waits for a lock of `holder`.
pub async fn start_blocked<T: Send + 'static>(
    pool: &PgPool,
    holder: i32,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let task = tokio::spawn(work);
    blocked_by(pool, holder).await;
    task
}

/// What became of it, once nothing is in its way.
pub async fn ended<T>(task: JoinHandle<T>) -> T {
    timeout(BOUND, task).await.expect("it still waits").unwrap()
}

/// The PostgreSQL error code of a failed statement.
pub fn code(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        other => other.to_string(),
    }
}
