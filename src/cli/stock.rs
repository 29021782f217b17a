//! `hikiate stock`.

use super::args::StockCommand;
use super::failure::Failure;
use super::session::Session;

/// Shows stock.
pub(crate) async fn run(session: &Session, command: StockCommand) -> Result<(), Failure> {
    let item = match command {
        StockCommand::Show { item } => item,
        // The reason is kept with the command itself, as every command is.
        StockCommand::BelieveList {
            account,
            warehouse,
            reason: _,
        } => {
            return believe(session, &account, warehouse.as_deref()).await;
        }
    };
    let (out, rows) = (
        session.out,
        session.store.list_stock(item.as_deref()).await?,
    );
    if let Some(item) = item.filter(|_| rows.is_empty()) {
        let kept = session.store.list_quarantine().await?;
        let kept = kept
            .iter()
            .filter(|row| row.external_id.as_deref() == Some(item.as_str()));
        let kept: Vec<String> = kept
            .map(|row| format!("hikiate quarantine show {}", row.id))
            .collect();
        let kept = if kept.is_empty() {
            String::new()
        } else {
            format!(
                "; a record about it could not be decoded: {}",
                kept.join(", ")
            )
        };
        return Err(Failure::NotFound(format!(
            "no warehouse has reported a count for item {item:?}; see `hikiate stock show`{kept}"
        )));
    }
    let columns = [
        "ITEM",
        "WAREHOUSE",
        "ON HAND",
        "RESERVED",
        "ALLOCATED",
        "AVAILABLE",
        "COUNTED",
        "KEPT BY",
    ];
    out.list(
        &rows,
        &columns,
        "no warehouse has reported stock yet",
        |row| {
            vec![
                row.item.clone(),
                row.warehouse.clone(),
                row.on_hand.to_string(),
                row.reserved.to_string(),
                row.allocated.to_string(),
                row.free.to_string(),
                out.time(row.as_of),
                row.unread
                    .map_or_else(String::new, |id| format!("quarantine show {id}")),
            ]
        },
    )
}

async fn believe(session: &Session, account: &str, warehouse: Option<&str>) -> Result<(), Failure> {
    let directory = session.store.directory().await?;
    let id = directory.account(&account.into())?;
    let refused = session.store.believe_stock_list(id, warehouse).await?;
    let told = serde_json::json!({ "account": account, "believed": refused });
    session.out.one(&told, || {
        format!("accepted: {refused}; lists of that length count from the next one on\n")
    })
}
