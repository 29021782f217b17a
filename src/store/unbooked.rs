//! Orders of which something may have shipped that is not in the books.

use super::{Store, StoreError};

impl Store {
    /// Orders with shipped goods or recorded revenue that are not over, of which a revenue event stands in no accepted
    /// journal, or a task says that something is not known; by id.
    ///
    /// # Errors
    /// The database's.
    pub async fn maybe_unbooked(&self) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT s.id FROM subjects s WHERE s.kind = 'order' AND s.closed_at IS NULL AND s.status IN ('instructed', 'shipped', 'delivered')
             UNION SELECT d.subject_id FROM demands d JOIN subjects s ON s.id = d.subject_id WHERE s.closed_at IS NULL AND d.shipped_qty > 0
             UNION SELECT e.subject_id FROM revenue_events e LEFT JOIN batches b ON b.subject_id = e.batch_id WHERE e.batch_id IS NULL OR b.state <> 'done'
             UNION SELECT t.subject_id FROM tasks t WHERE t.kind IN ('amount_unknown', 'tax_unknown', 'refund_unexplained', 'booking_refused')
             ORDER BY 1"
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .flatten()
        .collect())
    }
}
