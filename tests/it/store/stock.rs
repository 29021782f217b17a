//! Counts: each code for itself, the later one stands, and a list of all stock says what is gone.

use hikiate::facts::FactBody;
use hikiate::plan::plan_order;
use hikiate::policy::{Catalogue, ItemCode, Policy};
use hikiate::store::{IncomingBad, IncomingPage, PlannedOrder, Source, Store, StoreError, Tx};
use hikiate_sdk::{AccountSlug, BadRecord, InFile, InstructionReply, Listing, ReplyVerdict};

use super::purge::{DAY, purge};
use crate::support::shop::{Shop, at, order, page, parcel};
use crate::support::turns::{ended, session, start_blocked};

async fn on_hand(shop: &Shop, item: &str) -> Option<i64> {
    let rows = shop.store().list_stock(Some(item)).await.unwrap();
    rows.first().map(|row| row.on_hand)
}

fn code(item: &str, code: &str, multiplier: u32) -> ItemCode {
    ItemCode {
        item: item.to_owned(),
        account: AccountSlug::new("wms"),
        code: code.to_owned(),
        multiplier,
    }
}

async fn listed(shop: &Shop, rows: Vec<ItemCode>) -> Result<(), StoreError> {
    let policy = Policy {
        catalogue: Catalogue::Listed(rows),
        ..(*shop.engine.policy).clone()
    };
    let accounts = [
        (AccountSlug::new("shop"), "test"),
        (AccountSlug::new("wms"), "test"),
    ];
    shop.store().register(&accounts, &policy).await.map(drop)
}

/// Moves pieces of TEA out of tokyo, under the code that the instruction named.
async fn left(shop: &Shop, cause: &str, code: &str, pieces: i64, minute: i64) {
    let sql = "INSERT INTO stock_movements (item_id, location_id, cause, code, qty, effective_at, recorded_at)
        SELECT i.id, l.id, $1, $2, -$3, $4, $4 FROM items i, locations l WHERE i.code = 'TEA' AND l.slug = 'tokyo'";
    let insert = sqlx::query(sql).bind(cause).bind(code).bind(pieces);
    insert.bind(at(minute)).execute(shop.pool()).await.unwrap();
}

#[tokio::test]
async fn codes_of_one_item_are_counted_each_for_itself() {
    let shop = Shop::open().await;
    listed(&shop, vec![code("TEA", "AP1", 1), code("TEA", "AP12", 12)])
        .await
        .unwrap();
    shop.count("AP1", 5, 0).await;
    shop.count("AP12", 3, 10).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(41));
    // Told late: after the count of its own code, before the one of the other.
    left(&shop, "parcel:HK1-S1:1:1", "AP1", 2, 5).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(39), "weighed against AP1");
    left(&shop, "parcel:HK2-S1:1:1", "AP12", 12, 5).await;
    assert_eq!(
        on_hand(&shop, "TEA").await,
        Some(39),
        "AP12 was counted after it left"
    );
    left(&shop, "others:HK3", "", 1, 5).await;
    assert_eq!(
        on_hand(&shop, "TEA").await,
        Some(38),
        "of an unknown code: rather twice than never"
    );
    shop.count("AP1", 2, 20).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(38));
}

#[tokio::test]
async fn of_two_counts_of_one_time_the_later_read_stands_whatever_is_read_first() {
    let shop = Shop::open().await;
    let count = |quantity, read: i64| {
        let mut page = shop.counted("TEA", quantity, 5);
        page.stock[0].read_at = Some(at(read));
        page
    };
    shop.pull("wms", &count(10, 6)).await;
    shop.pull("wms", &count(0, 7)).await;
    assert_eq!(
        on_hand(&shop, "TEA").await,
        Some(0),
        "a correction with the same time"
    );
    shop.pull("wms", &count(10, 6)).await;
    assert_eq!(
        on_hand(&shop, "TEA").await,
        Some(0),
        "read again from the archive"
    );
    shop.pull("wms", &shop.counted("TEA", 9, 4)).await;
    assert_eq!(
        on_hand(&shop, "TEA").await,
        Some(0),
        "an older count changes nothing"
    );
}

#[tokio::test]
async fn only_what_is_listed_is_an_item_and_what_is_taken_off_the_list_is_none() {
    let shop = Shop::open().await;
    listed(&shop, vec![code("TEA", "AP1", 1), code("TEA", "AP9", 1)])
        .await
        .unwrap();
    shop.count("AP1", 5, 0).await;
    shop.count("AP9", 7, 0).await;
    shop.count("TEA", 100, 0).await;
    shop.count("STRANGER", 100, 0).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(12));
    assert_eq!(on_hand(&shop, "STRANGER").await, None);
    listed(&shop, vec![code("TEA", "AP1", 1)]).await.unwrap();
    assert_eq!(on_hand(&shop, "TEA").await, Some(5));
    assert_eq!(shop.number("SELECT count(*) FROM item_codes").await, 1);
    assert!(
        shop.number("SELECT count(*) FROM allocation_requests")
            .await
            > 0,
        "stock is given out anew"
    );
}

#[tokio::test]
async fn without_its_mapping_file_a_shop_is_back_to_codes_that_are_the_items_own() {
    let shop = Shop::open().await;
    listed(&shop, vec![code("TEA", "AP1", 1), code("CUP", "TEA", 1)])
        .await
        .unwrap();
    shop.count("AP1", 5, 0).await;
    shop.count("TEA", 7, 0).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(5));
    assert_eq!(on_hand(&shop, "CUP").await, Some(7));
    let accounts = [
        (AccountSlug::new("shop"), "test"),
        (AccountSlug::new("wms"), "test"),
    ];
    shop.store()
        .register(&accounts, &shop.engine.policy)
        .await
        .unwrap();
    assert_eq!(shop.number("SELECT count(*) FROM item_codes").await, 0);
    assert_eq!(on_hand(&shop, "TEA").await.unwrap_or(0), 0, "of no code");
    assert_eq!(on_hand(&shop, "CUP").await.unwrap_or(0), 0);
    shop.count("TEA", 3, 10).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(3));
    // What was counted by the item's own code stays when the program is started again.
    shop.store()
        .register(&accounts, &shop.engine.policy)
        .await
        .unwrap();
    assert_eq!(on_hand(&shop, "TEA").await, Some(3));
}

/// A new item that nobody listed, or a slip in the mapping file, would leave an item without stock and nobody told.
#[tokio::test]
async fn a_count_of_a_code_that_is_not_listed_is_one_record_of_that_code() {
    let shop = Shop::open().await;
    listed(&shop, vec![code("TEA", "AP-01", 1)]).await.unwrap();
    let open = async || shop.store().list_quarantine().await.unwrap();
    shop.count("AP-O1", 5, 1).await;
    shop.count("AP-O1", 6, 2).await;
    shop.count("STRANGER", 9, 2).await;
    let kept = open().await;
    assert_eq!(kept.len(), 2, "a record a code: {kept:?}");
    let slip = kept
        .iter()
        .find(|row| row.external_id.as_deref() == Some("AP-O1"));
    let slip = slip.unwrap();
    assert!(slip.reason.contains("6 of \"AP-O1\""), "{}", slip.reason);
    assert!(
        slip.reason.contains("(\"AP-01\" is listed)"),
        "{}",
        slip.reason
    );
    let tasks = shop.store().list_tasks().await.unwrap();
    let told: Vec<_> = tasks
        .iter()
        .filter(|task| task.kind == "quarantine")
        .collect();
    assert_eq!(told.len(), 1, "one task for all codes: {told:?}");

    // What is not ours is dismissed once, whatever is counted of it later.
    let stranger = kept.iter().find(|row| row.id != slip.id).unwrap();
    let dismissed = shop
        .store()
        .dismiss_quarantined(stranger.id, "ops", "not ours");
    dismissed.await.unwrap();
    shop.count("STRANGER", 11, 3).await;
    assert_eq!(open().await.len(), 1);

    // Its bytes count once the code is listed, and it is settled.
    listed(
        &shop,
        vec![code("TEA", "AP-01", 1), code("TEA", "AP-O1", 1)],
    )
    .await
    .unwrap();
    shop.count("AP-O1", 6, 4).await;
    assert_eq!(open().await.len(), 0);
    assert_eq!(on_hand(&shop, "TEA").await, Some(6));
}

/// A shop that lists its codes may sell one that happens to be another item's name: it is nothing that is on a shelf.
#[tokio::test]
async fn an_order_of_a_code_that_is_not_listed_takes_no_item_of_that_name() {
    let shop = Shop::open().await;
    listed(&shop, vec![code("TEA", "AP1", 1)]).await.unwrap();
    shop.count("AP1", 5, 0).await;
    shop.pull("shop", &page(1, vec![order("A", 2)])).await;
    shop.settle().await;
    assert_eq!(
        shop.number("SELECT count(*) FROM demands WHERE reserved_qty > 0")
            .await,
        0,
        "the shop's own code TEA is in no row"
    );
    let status = shop.status(shop.subject("A").await).await;
    assert_ne!(status, "allocated");
}

#[tokio::test]
async fn warehouses_may_swap_their_codes() {
    let shop = Shop::open().await;
    let with = |codes: [(&str, &str); 2]| {
        let mut policy = (*shop.engine.policy).clone();
        let one = policy.warehouses[0].clone();
        policy.warehouses = codes
            .map(|(name, location)| hikiate::policy::Warehouse {
                name: name.to_owned(),
                location: Some(location.to_owned()),
                ..one.clone()
            })
            .into();
        policy
    };
    let accounts = [(AccountSlug::new("wms"), "test")];
    for codes in [
        [("tokyo", "01"), ("osaka", "02")],
        [("tokyo", "02"), ("osaka", "01")],
        [("tokyo", "02"), ("nagoya", "01")],
    ] {
        let directory = shop
            .store()
            .register(&accounts, &with(codes))
            .await
            .unwrap();
        for (name, location) in codes {
            let row = directory.location(name).unwrap();
            assert_eq!(row.code.as_deref(), Some(location), "{name}");
        }
    }
}

fn list(shop: &Shop, id: &str, codes: &[&str], minute: i64) -> IncomingPage {
    let mut page = shop.counted("TEA", 1, minute);
    let level = page.stock.remove(0);
    for code in codes {
        let mut level = level.clone();
        level.code = (*code).to_owned();
        page.stock.push(level);
    }
    page.listing = Some(Listing {
        id: id.to_owned(),
        name: format!("zaiko-{id}.csv"),
        places: [(None, u32::try_from(codes.len()).unwrap())].into(),
        as_of: at(minute),
        last: true,
    });
    page
}

#[tokio::test]
async fn what_a_list_of_all_stock_does_not_name_is_gone_unless_the_list_is_far_too_short() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "MUG"], 1))
        .await;
    shop.pull("wms", &list(&shop, "b", &["TEA", "PEAR", "CUP"], 2))
        .await;
    assert_eq!(
        on_hand(&shop, "MUG").await,
        Some(0),
        "sold out, and left out of the file"
    );
    assert_eq!(on_hand(&shop, "TEA").await, Some(1));
    for (id, minute) in [("c", 3), ("d", 4)] {
        shop.pull("wms", &list(&shop, id, &["TEA"], minute)).await;
        assert_eq!(
            on_hand(&shop, "PEAR").await,
            Some(1),
            "a list of 1 after one of 3 counts nothing"
        );
        let tasks = shop.store().list_tasks().await.unwrap();
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        assert_eq!(tasks[0].kind, "stock_list_short");
        assert!(
            tasks[0]
                .detail
                .contains(&format!("zaiko-{id}.csv: 1 items at tokyo")),
            "{}",
            tasks[0].detail
        );
    }
    shop.store()
        .believe_stock_list(shop.account("wms"), None)
        .await
        .unwrap();
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
    shop.pull("wms", &list(&shop, "e", &["TEA"], 5)).await;
    assert_eq!(on_hand(&shop, "PEAR").await, Some(0), "believed");
    let again = shop
        .store()
        .believe_stock_list(shop.account("wms"), None)
        .await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn an_item_whose_row_could_not_be_read_is_not_absent_from_a_list() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "MUG"], 1))
        .await;
    let mut next = list(&shop, "b", &["TEA", "PEAR"], 2);
    next.listing.as_mut().unwrap().places = [(None, 3)].into();
    let bad = BadRecord::new(
        Some("MUG".into()),
        "zaiko-b.csv row 4, column 在庫数: is no whole number",
    );
    next.bad.push(IncomingBad::new(bad, Source::default()));
    shop.pull("wms", &next).await;
    assert_eq!(on_hand(&shop, "MUG").await, Some(1), "unknown is not zero");
    let rows = shop.store().list_stock(None).await.unwrap();
    let record = shop.store().list_quarantine().await.unwrap()[0].id;
    let kept: Vec<_> = rows.iter().map(|r| (r.item.as_str(), r.unread)).collect();
    assert_eq!(kept, [("MUG", Some(record)), ("PEAR", None), ("TEA", None)]);
    let tasks = shop.store().list_tasks().await.unwrap();
    let told = tasks.iter().find(|task| task.kind == "quarantine").unwrap();
    assert!(
        told.detail
            .contains("the last count of 1 code stands until then"),
        "{}",
        told.detail
    );
    shop.pull("wms", &list(&shop, "c", &["TEA", "MUG", "CUP"], 3))
        .await;
    assert!(
        shop.store().list_quarantine().await.unwrap().is_empty(),
        "a good row of the item settles it"
    );
}

#[tokio::test]
async fn what_a_free_count_has_taken_off_is_put_back_once_under_the_code_that_was_instructed() {
    let shop = Shop::open().await;
    let sold = ItemCode {
        account: AccountSlug::new("shop"),
        ..code("TEA", "TEA", 1)
    };
    listed(
        &shop,
        vec![sold, code("TEA", "AP1", 1), code("TEA", "AP2", 1)],
    )
    .await
    .unwrap();
    shop.count("AP1", 7, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 2)])).await;
    shop.settle().await;
    let reference = shop.instructed(shop.subject("A").await).await;
    let mut accepted = parcel(&reference, 1, 3);
    accepted.body = FactBody::Reply(InstructionReply {
        reference: reference.as_str().into(),
        verdict: ReplyVerdict::Accepted,
        message: String::new(),
        at: None,
    });
    accepted.series = reference.clone();
    let mut told = page(3, Vec::new());
    told.facts.push(accepted);
    shop.pull("wms", &told).await;
    let mut free = shop.counted("AP1", 5, 10);
    free.stock.push(shop.counted("AP2", 3, 10).stock.remove(0));
    for level in &mut free.stock {
        level.free = true;
    }
    shop.pull("wms", &free).await;
    assert_eq!(
        on_hand(&shop, "TEA").await,
        Some(10),
        "5 and 3 free, 2 accepted and still there"
    );
}

#[tokio::test]
async fn a_list_of_which_one_row_is_refused_is_a_list_all_the_same() {
    let shop = Shop::open().await;
    listed(
        &shop,
        ["TEA", "MUG", "BIG"]
            .map(|item| code(item, item, 12))
            .into(),
    )
    .await
    .unwrap();
    shop.pull("wms", &list(&shop, "a", &["TEA", "MUG"], 1))
        .await;
    let mut next = list(&shop, "b", &["TEA", "BIG"], 2);
    next.stock[1].quantity = i64::MAX;
    let done = shop.pull("wms", &next).await;
    assert_eq!(done.quarantined, 1, "more than a number can hold");
    assert_eq!(
        on_hand(&shop, "MUG").await,
        Some(0),
        "the list does not name it"
    );
    assert_eq!(on_hand(&shop, "TEA").await, Some(12));
}

#[tokio::test]
async fn a_list_that_is_not_believed_settles_nothing() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "MUG"], 1))
        .await;
    let mut bad = page(2, Vec::new());
    let record = BadRecord::new(Some("TEA".into()), "no whole number");
    bad.bad.push(IncomingBad::new(record, Source::default()));
    shop.pull("wms", &bad).await;
    shop.pull("wms", &list(&shop, "b", &["TEA"], 3)).await;
    assert_eq!(shop.store().list_quarantine().await.unwrap().len(), 1);
}

/// A count that is older than the one that holds changes nothing, and the item is in the list all the same.
#[tokio::test]
async fn an_item_with_an_older_count_is_not_absent_from_its_list() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "MUG"], 1))
        .await;
    shop.count("MUG", 7, 3).await;
    let mut next = list(&shop, "b", &["TEA", "PEAR", "MUG"], 4);
    next.stock[2].as_of = Some(at(2));
    shop.pull("wms", &next).await;
    assert_eq!(
        on_hand(&shop, "MUG").await,
        Some(7),
        "listed, counted earlier"
    );
}

/// The zero of an item that a list left out is dated by its file, later than the rows of the list that names it again: what
/// left since, and later counts, count all the same.
#[tokio::test]
async fn an_item_that_is_listed_again_moves_and_is_counted_as_any() {
    let shop = Shop::open().await;
    let counted = |id, names: &[&str], minute, quantity, as_of: i64| {
        let mut page = list(&shop, id, names, minute);
        for level in &mut page.stock {
            (level.quantity, level.as_of) = (quantity, Some(at(as_of)));
        }
        page
    };
    let all = ["TEA", "PEAR", "MUG", "CUP"];
    shop.pull("wms", &counted("a", &all, 60, 10, 1)).await;
    shop.pull("wms", &counted("b", &all[1..], 61, 10, 10)).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(0));
    shop.pull("wms", &counted("c", &all, 62, 12, 20)).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(12));
    left(&shop, "parcel:HK1-S1:1:1", "TEA", 1, 40).await;
    assert_eq!(
        on_hand(&shop, "TEA").await,
        Some(11),
        "left since that count"
    );
    shop.pull("wms", &counted("d", &all, 63, 9, 50)).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(9), "a later count");
}

/// A list that comes again has a newer file time and counts of before: it neither empties what came since nor brings back what is gone.
#[tokio::test]
async fn a_list_of_before_that_comes_again_counts_nothing() {
    let shop = Shop::open().await;
    let monday = ["A1", "A2", "A3", "A4", "OLD"];
    let tuesday = ["A1", "A2", "A3", "A4", "NEW"];
    shop.pull("wms", &list(&shop, "a", &monday, 10)).await;
    shop.pull("wms", &list(&shop, "b", &tuesday, 20)).await;
    assert_eq!(on_hand(&shop, "OLD").await, Some(0));
    // In two slices, the second of which has nothing that is known.
    let mut again = list(&shop, "a", &monday, 30);
    for level in &mut again.stock {
        level.as_of = Some(at(10));
    }
    let mut rest = again.clone();
    rest.stock = again.stock.split_off(4);
    again.listing.as_mut().unwrap().last = false;
    shop.pull("wms", &again).await;
    shop.pull("wms", &rest).await;
    assert_eq!(on_hand(&shop, "NEW").await, Some(1));
    assert_eq!(on_hand(&shop, "OLD").await, Some(0));
    shop.pull("wms", &list(&shop, "c", &tuesday, 40)).await;
    assert_eq!(on_hand(&shop, "NEW").await, Some(1));
}

/// One item that is sold out makes a list of three no short one.
#[tokio::test]
async fn one_item_that_is_sold_out_makes_no_list_short() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "MUG"], 1))
        .await;
    shop.pull("wms", &list(&shop, "b", &["TEA", "PEAR"], 2))
        .await;
    assert_eq!(on_hand(&shop, "MUG").await, Some(0));
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_that_is_older_than_the_last_one_counts_nothing() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "new", &["TEA", "PEAR", "BOWL"], 5))
        .await;
    shop.pull("wms", &list(&shop, "old", &["TEA", "MUG"], 3))
        .await;
    assert_eq!(on_hand(&shop, "MUG").await, None, "nothing of it counts");
    assert_eq!(on_hand(&shop, "PEAR").await, Some(1));
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
    // One that was refused is no list that another could be older than.
    shop.pull("wms", &list(&shop, "short", &["TEA"], 9)).await;
    shop.pull("wms", &list(&shop, "next", &["TEA", "CUP"], 7))
        .await;
    assert_eq!(on_hand(&shop, "CUP").await, Some(1));
    assert_eq!(on_hand(&shop, "PEAR").await, Some(0));
}

#[tokio::test]
async fn a_list_without_rows_is_told_and_counts_once_it_is_believed() {
    let shop = Shop::open().await;
    let empty = |id, minute| {
        let mut page = list(&shop, id, &[], minute);
        page.listing.as_mut().unwrap().places.clear();
        page
    };
    shop.count("TEA", 3, 0).await;
    for (id, minute) in [("a", 1), ("b", 2)] {
        shop.pull("wms", &empty(id, minute)).await;
        assert_eq!(on_hand(&shop, "TEA").await, Some(3), "nothing is gone");
        let tasks = shop.store().list_tasks().await.unwrap();
        assert!(
            tasks.len() == 1 && tasks[0].kind == "stock_list_short",
            "{tasks:?}"
        );
        let says = format!("zaiko-{id}.csv: names no item");
        assert!(tasks[0].detail.contains(&says), "{}", tasks[0].detail);
    }
    let wms = shop.account("wms");
    shop.store().believe_stock_list(wms, None).await.unwrap();
    shop.pull("wms", &empty("c", 3)).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(0));
    // And goods that come in again are counted.
    shop.pull("wms", &list(&shop, "d", &["TEA"], 4)).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(1));
    shop.pull("wms", &empty("e", 5)).await;
    assert_eq!(on_hand(&shop, "TEA").await, Some(1), "told again");
}

/// The newest row is the one that sold out: the list is of its file's time, not of its rows'.
#[tokio::test]
async fn a_list_is_of_its_files_time_whatever_its_rows_are_of() {
    let shop = Shop::open().await;
    let rows = |id, minute, times: &[(&str, i64)]| {
        let codes: Vec<&str> = times.iter().map(|(code, _)| *code).collect();
        let mut page = list(&shop, id, &codes, minute);
        for (level, (_, at_minute)) in page.stock.iter_mut().zip(times) {
            level.as_of = Some(at(*at_minute));
        }
        page
    };
    let four = [("TEA", 1), ("PEAR", 1), ("MUG", 1), ("CUP", 9)];
    shop.pull("wms", &rows("a", 10, &four)).await;
    shop.pull("wms", &rows("b", 20, &four[..3])).await;
    assert_eq!(on_hand(&shop, "CUP").await, Some(0), "sold out");
    assert_eq!(on_hand(&shop, "TEA").await, Some(1));
    // It is there again, and its row is of when it last moved.
    shop.pull("wms", &rows("c", 30, &four)).await;
    assert_eq!(on_hand(&shop, "CUP").await, Some(1), "listed again");
}

/// A long list comes in slices; what an operator says in the middle of it is of the next one.
#[tokio::test]
async fn a_list_that_is_believed_while_it_is_read_takes_nothing_away() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "MUG", "CUP"], 1))
        .await;
    let slice = |codes: &[&str], last| {
        let mut page = list(&shop, "b", codes, 2);
        let listing = page.listing.as_mut().unwrap();
        (listing.places, listing.last) = ([(None, 2)].into(), last);
        page
    };
    shop.pull("wms", &slice(&["TEA"], false)).await;
    let wms = shop.account("wms");
    shop.store().believe_stock_list(wms, None).await.unwrap();
    shop.pull("wms", &slice(&["PEAR"], true)).await;
    for item in ["TEA", "PEAR", "MUG", "CUP"] {
        assert_eq!(on_hand(&shop, item).await, Some(1), "{item}");
    }
    // The same bytes in a later file are the next list.
    let mut next = list(&shop, "b", &["TEA", "PEAR"], 3);
    next.listing.as_mut().unwrap().places = [(None, 2)].into();
    shop.pull("wms", &next).await;
    assert_eq!(on_hand(&shop, "CUP").await, Some(0));
    assert_eq!(on_hand(&shop, "TEA").await, Some(1));
}

/// Dismissing the row that nobody can read does not make the item sold out.
#[tokio::test]
async fn an_item_whose_row_was_dismissed_is_unknown_and_not_gone() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "CUP", "MUG"], 1))
        .await;
    let next = |id: &str, minute| {
        let mut next = list(&shop, id, &["TEA", "PEAR", "CUP"], minute);
        let bad = BadRecord::new(Some("MUG".into()), "is no whole number");
        let file = Some(InFile {
            name: format!("zaiko-{id}.csv"),
            sha256: id.to_owned(),
            told: at(minute),
            read_at: at(minute),
            rows: vec![4],
        });
        let raw = b"MUG,3 pieces".to_vec();
        next.bad.push(IncomingBad::new(bad, Source { raw, file }));
        next
    };
    shop.pull("wms", &next("b", 2)).await;
    let id = shop.store().list_quarantine().await.unwrap()[0].id;
    let dismiss = shop.store().dismiss_quarantined(id, "ops", "known");
    dismiss.await.unwrap();
    shop.pull("wms", &next("c", 3)).await;
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
    assert_eq!(on_hand(&shop, "MUG").await, Some(1), "unknown is not zero");
    // Nor when the bytes of the row are kept no more.
    shop.clock(90 * DAY).await;
    shop.pull("wms", &next("d", 90 * DAY)).await;
    assert_eq!(purge(&shop, 91).await.quarantine, 1);
    shop.pull("wms", &next("e", 91 * DAY)).await;
    assert_eq!(on_hand(&shop, "MUG").await, Some(1), "still unknown");
    let without = list(&shop, "f", &["TEA", "PEAR", "CUP"], 91 * DAY + 1);
    shop.pull("wms", &without).await;
    assert_eq!(on_hand(&shop, "MUG").await, Some(0), "gone from the list");
}

/// A file for each place: each speaks for its own, and is compared with what lists counted there.
#[tokio::test]
async fn a_list_of_one_place_says_nothing_of_the_others() {
    let shop = Shop::open().await;
    let mut policy = (*shop.engine.policy).clone();
    let one = policy.warehouses[0].clone();
    let places = [("tokyo", "01"), ("osaka", "02")];
    policy.warehouses = places
        .map(|(name, location)| hikiate::policy::Warehouse {
            name: name.to_owned(),
            location: Some(location.to_owned()),
            ..one.clone()
        })
        .into();
    let accounts = [(AccountSlug::new("wms"), "test")];
    let directory = shop.store().register(&accounts, &policy).await.unwrap();
    let of = |place: &str, id: &str, codes: &[&str], minute| {
        let row = directory.location(place).unwrap();
        let mut page = list(&shop, id, codes, minute);
        for level in &mut page.stock {
            level.location_id = row.id;
        }
        let named = u32::try_from(codes.len()).unwrap();
        page.listing.as_mut().unwrap().places = [(row.code.clone(), named)].into();
        page
    };
    let at_place = async |item: &str, place: &str| {
        let sql = "SELECT sum(s.counted_qty)::bigint FROM stock s JOIN items i ON i.id = s.item_id
            JOIN locations l ON l.id = s.location_id WHERE i.code = $1 AND l.slug = $2";
        let sum = sqlx::query_scalar::<_, Option<i64>>(sql)
            .bind(item)
            .bind(place);
        sum.fetch_one(shop.pool()).await.unwrap()
    };
    let many = ["TEA", "PEAR", "MUG", "CUP", "BOWL"];
    shop.pull("wms", &of("tokyo", "t1", &many, 10)).await;
    // Far shorter, and of an earlier time.
    shop.pull("wms", &of("osaka", "o1", &["TEA", "MUG", "BOWL"], 8))
        .await;
    assert_eq!(
        at_place("PEAR", "tokyo").await,
        Some(1),
        "not osaka's to say"
    );
    assert_eq!(at_place("TEA", "osaka").await, Some(1));
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
    shop.pull("wms", &of("tokyo", "t2", &many[1..], 20)).await;
    assert_eq!(at_place("TEA", "tokyo").await, Some(0), "gone there");
    assert_eq!(at_place("TEA", "osaka").await, Some(1), "and not here");
    // Too short for its own place, and older than its own last one.
    shop.pull("wms", &of("tokyo", "t3", &["MUG"], 30)).await;
    assert_eq!(at_place("PEAR", "tokyo").await, Some(1));
    let tasks = shop.store().list_tasks().await.unwrap();
    assert!(tasks[0].detail.contains("zaiko-t3.csv"), "{tasks:?}");
    shop.pull("wms", &of("osaka", "o0", &["CUP", "MUG"], 7))
        .await;
    assert_eq!(
        at_place("CUP", "osaka").await,
        None,
        "older than the last one"
    );
    // The other place's list leaves the refusal and, once it is believed, the operator's word alone.
    shop.pull("wms", &of("osaka", "o3", &["TEA", "MUG", "BOWL"], 35))
        .await;
    assert_eq!(shop.store().list_tasks().await.unwrap().len(), 1);
    let wms = shop.account("wms");
    shop.store().believe_stock_list(wms, None).await.unwrap();
    shop.pull("wms", &of("osaka", "o2", &["TEA"], 40)).await;
    assert_eq!(at_place("MUG", "osaka").await, Some(1), "too short there");
    let tasks = shop.store().list_tasks().await.unwrap();
    assert!(
        tasks.len() == 1 && tasks[0].detail.contains("1 items at osaka"),
        "{tasks:?}"
    );
    shop.pull("wms", &of("tokyo", "t4", &["MUG"], 50)).await;
    assert_eq!(at_place("PEAR", "tokyo").await, Some(0), "believed");
}

/// An order waits for a code that no item is known for, and a count brings the item into being.
#[tokio::test]
async fn an_order_whose_code_becomes_known_is_planned_at_once() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop.settle().await;
    let subject = shop.subject("A").await;
    assert_eq!(shop.store().wake_mapped().await.unwrap(), 0);
    let other = shop.counted("POT", 1, 0);
    assert!(shop.pull("wms", &other).await.new_items);
    assert_eq!(shop.store().wake_mapped().await.unwrap(), 0, "another code");
    let tea = shop.counted("TEA", 5, 1);
    assert!(shop.pull("wms", &tea).await.new_items);
    assert!(!shop.pull("wms", &tea).await.new_items, "known");
    assert_eq!(shop.store().wake_mapped().await.unwrap(), 1);
    shop.settle().await;
    assert_eq!(shop.status(subject).await, "allocated");
}

/// Plans an order in a transaction that stays open, as far as before it is written.
async fn loaded_before(shop: &Shop, subject: i64) -> (Tx<'static>, Vec<PlannedOrder>) {
    let engine = &shop.engine;
    let mut tx = shop.claim(subject).await;
    let loaded = Store::load(&mut tx, &[subject], &engine.directory)
        .await
        .unwrap();
    let now = loaded.now;
    let mut input = loaded.orders.into_iter().next().unwrap().2.unwrap();
    input.see_payments(&engine.policy);
    let plan = plan_order(&input, &engine.policy, engine.rules.as_ref(), now).unwrap();
    assert_eq!(plan.blocked_by.as_deref(), Some("check:unmapped_sku"));
    let planned = PlannedOrder {
        subject_id: subject,
        channel_id: shop.account("shop"),
        plan,
    };
    (tx, vec![planned])
}

async fn write(shop: &Shop, tx: &mut Tx<'_>, plans: &[PlannedOrder]) {
    let engine = &shop.engine;
    let zone = engine.policy.shop.timezone;
    let (directory, policy) = (&engine.directory, engine.policy_id);
    Store::commit_plans(tx, plans, directory, policy, zone, at(0))
        .await
        .unwrap();
}

/// The order is due at once, and the item that it waited for is given to it.
async fn goes_on(shop: &Shop, subject: i64) {
    assert_eq!(shop.planned_for(subject).await, Some(at(0)));
    shop.settle().await;
    assert_eq!(shop.status(subject).await, "allocated");
}

/// Its item comes into being and whoever waits for it is woken, between what a plan reads and what it writes.
#[tokio::test]
async fn a_plan_that_did_not_see_a_new_item_is_made_again() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    let (mut tx, plans) = loaded_before(&shop, subject).await;
    let tea = shop.counted("TEA", 5, 0);
    assert!(shop.pull("wms", &tea).await.new_items);
    let woken = shop.store().wake_mapped().await.unwrap();
    assert_eq!(woken, 0, "no task is committed yet");
    write(&shop, &mut tx, &plans).await;
    tx.commit().await.unwrap();
    goes_on(&shop, subject).await;
}

/// The plan has looked for the item before it was there, and is not committed when those who wait for it are woken.
#[tokio::test]
async fn waking_waits_for_a_plan_that_has_looked_before() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    let subject = shop.subject("A").await;
    let (mut tx, plans) = loaded_before(&shop, subject).await;
    write(&shop, &mut tx, &plans).await;
    let tea = shop.counted("TEA", 5, 0);
    assert!(shop.pull("wms", &tea).await.new_items);
    let holder = session(&mut tx).await;
    let store = shop.store().clone();
    let waking = start_blocked(
        shop.pool(),
        holder,
        async move { store.wake_mapped().await },
    )
    .await;
    tx.commit().await.unwrap();
    assert_eq!(ended(waking).await.unwrap(), 1);
    goes_on(&shop, subject).await;
}
