//! `hikiate stock`.

use super::args::StockCommand;
use super::failure::Failure;
use super::session::Session;

/// Shows stock.
pub(crate) async fn run(session: &Session, command: StockCommand) -> Result<(), Failure> {
    let StockCommand::Show { item } = command;
    let (out, rows) = (
        session.out,
        session.store.list_stock(item.as_deref()).await?,
    );
    if let Some(item) = item.filter(|_| rows.is_empty()) {
        return Err(Failure::NotFound(format!(
            "no warehouse has counted an item {item:?}: `hikiate stock show` lists them"
        )));
    }
    let columns = [
        "ITEM",
        "WAREHOUSE",
        "ON HAND",
        "RESERVED",
        "ALLOCATED",
        "FREE",
        "COUNTED",
    ];
    out.list(
        &rows,
        &columns,
        "no warehouse has counted anything yet",
        |row| {
            vec![
                row.item.clone(),
                row.warehouse.clone(),
                row.on_hand.to_string(),
                row.reserved.to_string(),
                row.allocated.to_string(),
                row.free.to_string(),
                out.time(row.as_of),
            ]
        },
    )
}
