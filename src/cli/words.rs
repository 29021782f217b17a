//! The trade's words for people.

/// 受注ステータス of a status word; the word itself for one we do not know.
pub(crate) fn status_ja(status: &str) -> &str {
    match status {
        "received" => "受注",
        "unallocated" => "未引当",
        "backordered" => "中途引当",
        "allocated" => "引当済み",
        "instructed" => "出荷指示",
        "shipped" => "出荷済み",
        "delivered" => "着荷済み",
        "booked" => "計上済み",
        "cancelled" => "キャンセル",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::types::Status;

    #[test]
    fn every_status_has_its_japanese_word() {
        for status in Status::ALL {
            assert!(!status_ja(status.as_str()).is_ascii(), "{status:?}");
        }
    }
}
