//! Counts: each code for itself, the later one stands, and a list of all stock says what is gone.

use hikiate::facts::FactBody;
use hikiate::policy::{Catalogue, ItemCode, Policy};
use hikiate::store::{IncomingBad, IncomingPage, Source, StoreError};
use hikiate_sdk::{AccountSlug, BadRecord, InstructionReply, Listing, ReplyVerdict};

use crate::support::shop::{Shop, at, order, page, parcel};

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
    let sql = "INSERT INTO stock_entries (item_id, location_id, cause, code, qty, effective_at, recorded_at)
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
        shop.number("SELECT count(*) FROM item_marks").await > 0,
        "stock is given out anew"
    );
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
        items: u32::try_from(codes.len()).unwrap(),
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
                .contains(&format!("zaiko-{id}.csv: 1 items")),
            "{}",
            tasks[0].detail
        );
    }
    shop.store()
        .believe_stock_list(shop.account("wms"))
        .await
        .unwrap();
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
    shop.pull("wms", &list(&shop, "e", &["TEA"], 5)).await;
    assert_eq!(on_hand(&shop, "PEAR").await, Some(0), "believed");
    let again = shop.store().believe_stock_list(shop.account("wms")).await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn an_item_whose_row_could_not_be_read_is_not_absent_from_a_list() {
    let shop = Shop::open().await;
    shop.pull("wms", &list(&shop, "a", &["TEA", "PEAR", "MUG"], 1))
        .await;
    let mut next = list(&shop, "b", &["TEA", "PEAR"], 2);
    next.listing.as_mut().unwrap().items = 3;
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
