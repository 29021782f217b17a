//! Records that could not be understood: kept once, seen while they matter, gone when they can be read.

use hikiate::facts::FactBody;
use hikiate::store::{Decision, IncomingBad, IncomingFact, IncomingPage, Source};
use hikiate_sdk::{
    BadRecord, Contents, Currency, InFile, Kind, ParcelLine, PaymentSnapshot, PaymentState,
    ReportSource,
};

use crate::support::shop::{Shop, after, at, in_file, order, page, parcel, payments, today};

fn bad(raw: &str) -> IncomingPage {
    super::purge::bad(raw, 0)
}

#[tokio::test]
async fn the_same_bytes_are_one_row() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        shop.pull("shop", &bad("one")).await;
    }
    shop.pull("shop", &bad("two")).await;
    let rows = shop.store().list_quarantine().await.unwrap();
    let seen: Vec<i32> = rows.iter().map(|row| row.seen).collect();
    assert_eq!(seen, [3, 1]);
    assert_eq!(
        shop.store().quarantined(rows[0].id).await.unwrap().raw,
        b"one"
    );
    let tasks = shop.store().list_tasks().await.unwrap();
    let lines: Vec<_> = tasks
        .iter()
        .flat_map(|task| &task.actions)
        .map(|action| &action.line)
        .collect();
    let typed = |word: &str| format!("hikiate quarantine {word} {}", rows[0].id);
    assert_eq!(tasks.len(), 1, "one cause is one task: {tasks:?}");
    assert!(
        tasks[0].detail.starts_with("2 records"),
        "{}",
        tasks[0].detail
    );
    assert_eq!(
        lines,
        [
            typed("show"),
            format!("{} --all-alike", typed("retry")),
            format!("{} --all-alike --reason TEXT", typed("dismiss")),
        ]
        .iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(
        shop.store()
            .quarantined_alike(rows[1].id)
            .await
            .unwrap()
            .len(),
        2
    );
    shop.store()
        .dismiss_quarantined(rows[0].id, "ops", "typed by hand")
        .await
        .unwrap();
    let counted = shop.store().count_quarantine().await.unwrap();
    assert_eq!(counted, [("shop".to_owned(), 1)]);
}

/// The log has a line for what is new in quarantine, and none for each look at it.
#[tokio::test]
async fn a_record_is_news_when_it_comes_into_quarantine_and_not_at_each_look() {
    let shop = Shop::open().await;
    let news = async |raw: &str| {
        let done = shop.pull("shop", &bad(raw)).await;
        assert_eq!(done.quarantined, 1);
        done.quarantine_news
    };
    assert_eq!(news("one").await, 1);
    assert_eq!(news("one").await, 0, "it is told again");
    assert_eq!(news("two").await, 1, "other bytes");
    shop.pull("shop", &page(1, vec![order("A", 1)])).await;
    assert_eq!(news("one").await, 1, "it was out of quarantine");
    let id = shop.store().list_quarantine().await.unwrap()[0].id;
    shop.store()
        .dismiss_quarantined(id, "ops", "typed by hand")
        .await
        .unwrap();
    assert_eq!(news("one").await, 0, "it was dismissed");
}

/// What the database does not take, it refuses at each look in the same way.
#[tokio::test]
async fn a_record_that_the_database_refuses_is_news_once() {
    let shop = Shop::open().await;
    shop.count("TEA", 2, 0).await;
    sqlx::query("ALTER TABLE stock ADD CHECK (counted_qty < 3)")
        .execute(shop.pool())
        .await
        .unwrap();
    for (minute, news) in [(1, 1), (2, 0), (3, 0)] {
        let done = shop.pull("wms", &shop.counted("TEA", 3, minute)).await;
        assert_eq!((done.quarantined, done.quarantine_news), (1, news));
    }
}

#[tokio::test]
async fn an_order_that_can_be_read_is_out_and_comes_back_when_it_can_not() {
    let shop = Shop::open().await;
    shop.pull("shop", &bad("one")).await;
    shop.pull("shop", &page(1, vec![order("A", 1)])).await;
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
    assert!(shop.store().list_tasks().await.unwrap().is_empty());
    shop.pull("shop", &bad("one")).await;
    let rows = shop.store().list_quarantine().await.unwrap();
    assert_eq!(rows.len(), 1, "unreadable again, in the very same bytes");
}

#[tokio::test]
async fn a_retry_asks_for_the_order_and_the_answer_settles_it() {
    let shop = Shop::open().await;
    shop.pull("shop", &bad("one")).await;
    let id = shop.store().list_quarantine().await.unwrap()[0].id;
    shop.store()
        .retry_quarantined(&shop.engine.directory, id)
        .await
        .unwrap();
    let owned = shop.owned("shop").await;
    let (due, requested_at) = shop
        .store()
        .due_reads(owned.id, Kind::Order, 10)
        .await
        .unwrap();
    assert_eq!(due, ["A".into()]);
    let mut read = page(0, vec![order("A", 1)]);
    read.requested_at = requested_at;
    shop.store()
        .ingest_read(&owned, Kind::Order, &due, &read)
        .await
        .unwrap();
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
    assert!(
        shop.store()
            .due_reads(owned.id, Kind::Order, 10)
            .await
            .unwrap()
            .0
            .is_empty()
    );
    let again = shop
        .store()
        .retry_quarantined(&shop.engine.directory, id)
        .await;
    assert!(
        again
            .unwrap_err()
            .to_string()
            .contains("out of quarantine already")
    );
}

/// A shipment of one line, instructed.
async fn shipment(shop: &Shop) -> String {
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop.settle().await;
    shop.instructed(shop.subject("A").await).await
}

fn bad_row(reference: &str, part: &str, raw: &str) -> IncomingPage {
    let bad = BadRecord::new(
        Some(reference.into()),
        "jisseki-1.csv row 2, column 出荷日時: “7:3” is no time",
    )
    .because("column 出荷日時: is no time")
    .of_part(part);
    let source = Source {
        raw: raw.as_bytes().to_vec(),
        file: Some(in_file("jisseki-1.csv", 1)),
    };
    let mut told = page(1, Vec::new());
    told.bad.push(IncomingBad::new(bad, source));
    told
}

#[tokio::test]
async fn another_message_about_the_shipment_does_not_settle_a_row_that_could_not_be_read() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    shop.pull(
        "wms",
        &bad_row(&reference, "parcel line 1 number 4012-3456", "row"),
    )
    .await;
    let open = || async { shop.store().list_quarantine().await.unwrap().len() };
    let told = |part: &str, minute| {
        let mut fact = parcel(&reference, 1, minute);
        fact.parts = vec![part.to_owned()];
        let mut told = page(minute, Vec::new());
        told.facts.push(fact);
        told
    };
    shop.pull("wms", &told("reply", 2)).await;
    shop.pull("wms", &told("parcel line 1 number 9999", 3))
        .await;
    assert_eq!(open().await, 1, "neither was that row");
    shop.pull("wms", &told("parcel line 1 number 40123456", 4))
        .await;
    assert_eq!(
        open().await,
        0,
        "the same line and number, written otherwise"
    );
}

#[tokio::test]
async fn goods_that_left_before_their_order_was_placed_are_kept_apart() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    let mut fact = parcel(&reference, 1, 2);
    fact.happened_at = at(-60 * 24 * 365);
    let mut told = page(2, Vec::new());
    told.facts.push(fact);
    let done = shop.pull("wms", &told).await;
    assert_eq!((done.new_facts, done.quarantined), (0, 1));
    let rows = shop.store().list_quarantine().await.unwrap();
    assert!(
        rows[0].reason.contains("before its order was placed"),
        "{}",
        rows[0].reason
    );
}

#[tokio::test]
async fn what_a_file_repeats_is_kept_beside_news_of_the_same_shipment() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    let told = |file: &str, number: &str| {
        let mut fact = parcel(&reference, 1, 1);
        let FactBody::Parcel(report) = &mut fact.body else {
            panic!("no parcel");
        };
        let (file, at) = (file.to_owned(), at(2));
        report.told = Some(ReportSource {
            file,
            at,
            rows: Vec::new(),
        });
        report.key = number.to_owned();
        report.tracking = Some(number.to_owned());
        fact.series = format!("{reference}:{number}");
        fact
    };
    let store = async |facts: Vec<IncomingFact>, minute| {
        let mut page = page(minute, Vec::new());
        page.facts = facts;
        shop.pull("wms", &page).await;
        let facts = "SELECT count(*) FROM facts WHERE kind = 'parcel'";
        shop.number(facts).await
    };
    assert_eq!(store(vec![told("one", "4001")], 2).await, 1);
    assert_eq!(
        store(vec![told("two", "4001")], 3).await,
        1,
        "another file that tells nothing new"
    );
    assert_eq!(
        store(vec![told("three", "4001"), told("three", "4002")], 4).await,
        3,
        "two boxes of one file"
    );
    assert_eq!(
        store(vec![told("three", "4001"), told("three", "4002")], 5).await,
        3,
        "read again"
    );
}

#[tokio::test]
async fn the_rest_of_a_shipment_is_not_given_up_while_a_row_of_it_could_not_be_read() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    let subject = shop.subject("A").await;
    let both = "parcel line 1 number 4012\nparcel line 2 number 4012";
    shop.pull("wms", &bad_row(&reference, both, "rows")).await;
    let release = Decision::Release {
        rules: vec![format!("short:{reference}")],
        reason: "it will not come".to_owned(),
    };
    let decide = async || {
        shop.store()
            .decide(subject, &release, "ops", "", today())
            .await
    };
    let refused = decide().await.unwrap_err().to_string();
    assert!(refused.contains("quarantine show"), "{refused}");
    let told = |parts: &[&str], minute| {
        let mut fact = parcel(&reference, 1, minute);
        fact.parts = parts.iter().map(|part| (*part).to_owned()).collect();
        let mut told = page(minute, Vec::new());
        told.facts.push(fact);
        told
    };
    shop.pull("wms", &told(&["parcel line 1 number 4012"], 2))
        .await;
    assert!(
        decide().await.is_err(),
        "the second of its rows is still unread"
    );
    shop.pull(
        "wms",
        &told(
            &["parcel line 1 number 4012", "parcel line 2 number 4012"],
            3,
        ),
    )
    .await;
    decide().await.unwrap();
}

/// A shop whose clock is ahead, or that writes its local time as UTC: the order was there when it was first read.
#[tokio::test]
async fn goods_of_an_order_that_is_dated_ahead_are_no_goods_from_before_it() {
    let shop = Shop::open().await;
    shop.count("TEA", 10, 0).await;
    let mut ahead = order("A", 1);
    ahead.happened_at = at(9 * 60);
    ahead.fact.order.ordered_at = at(9 * 60);
    shop.pull("shop", &page(1, vec![ahead])).await;
    shop.settle().await;
    let reference = shop.instructed(shop.subject("A").await).await;
    let mut told = page(20, Vec::new());
    told.facts.push(parcel(&reference, 1, 20));
    let done = shop.pull("wms", &told).await;
    assert_eq!((done.quarantined, done.new_facts), (0, 1));
}

#[tokio::test]
async fn rows_that_are_read_again_together_are_all_stored() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    // They were asked for before the first of them was stored, as the rows of one retry are.
    shop.clock(9).await;
    for line in [1, 2] {
        let mut fact = parcel(&reference, 1, 1);
        let FactBody::Parcel(report) = &mut fact.body else {
            panic!("no parcel");
        };
        report.contents = Contents::Lines(vec![ParcelLine::new(line, 1)]);
        let mut told = page(2, Vec::new());
        told.facts.push(fact);
        shop.pull("wms", &told).await;
    }
    let facts = "SELECT count(*) FROM facts WHERE kind = 'parcel'";
    assert_eq!(shop.number(facts).await, 2);
}

#[tokio::test]
async fn a_second_box_does_not_settle_the_first_whose_number_could_not_be_read() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    shop.pull("wms", &bad_row(&reference, "parcel line 1 number ?", "row"))
        .await;
    let mut told = page(2, Vec::new());
    told.facts.push(parcel(&reference, 1, 2));
    shop.pull("wms", &told).await;
    assert_eq!(shop.store().list_quarantine().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_comes_again_takes_nothing_back() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    let store = async |file: &str, quantity, minute| {
        let mut fact = parcel(&reference, quantity, 1);
        let FactBody::Parcel(report) = &mut fact.body else {
            panic!("no parcel");
        };
        // Under another name, and with another time.
        let (file, at) = (file.to_owned(), at(minute));
        report.told = Some(ReportSource {
            file,
            at,
            rows: Vec::new(),
        });
        let mut page = page(minute, Vec::new());
        page.facts.push(fact);
        shop.pull("wms", &page).await;
        shop.number("SELECT count(*) FROM facts WHERE kind = 'parcel'")
            .await
    };
    assert_eq!(store("a", 2, 2).await, 1);
    assert_eq!(store("b", 4, 3).await, 2);
    assert_eq!(store("a", 2, 4).await, 2, "it was told before");
    assert_eq!(store("c", 2, 5).await, 3, "another file may correct it");
}

#[tokio::test]
async fn an_order_that_still_cannot_be_read_is_one_record_and_is_not_asked_for_without_a_pause() {
    let shop = Shop::open().await;
    shop.clock(0).await;
    shop.pull("shop", &bad("one")).await;
    let id = shop.store().list_quarantine().await.unwrap()[0].id;
    let retry = shop.store().retry_quarantined(&shop.engine.directory, id);
    retry.await.unwrap();
    let owned = shop.owned("shop").await;
    let (due, requested_at) = shop
        .store()
        .due_reads(owned.id, Kind::Order, 10)
        .await
        .unwrap();
    let mut read = bad("one");
    read.requested_at = requested_at;
    shop.store()
        .ingest_read(&owned, Kind::Order, &due, &read)
        .await
        .unwrap();
    shop.settle().await;
    assert!(
        shop.store()
            .due_reads(owned.id, Kind::Order, 10)
            .await
            .unwrap()
            .0
            .is_empty()
    );
    shop.clock(11).await;
    assert_eq!(
        shop.store()
            .due_reads(owned.id, Kind::Order, 10)
            .await
            .unwrap()
            .0,
        due
    );
    assert_eq!(shop.store().list_quarantine().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_retried_record_that_the_database_refuses_stops_no_other() {
    let shop = Shop::open().await;
    shop.pull("wms", &bad_row("TEA", "", "poison")).await;
    let owned = shop.owned("wms").await;
    sqlx::query("UPDATE quarantine SET stream = 'stock', retry_at = hk_now()")
        .execute(shop.pool())
        .await
        .unwrap();
    let again = shop
        .store()
        .due_again(owned.id, 10)
        .await
        .unwrap()
        .remove(0);
    let mut page = shop.counted("TEA", 1, 1);
    page.stock[0].code = "x\0".to_owned();
    let done = shop
        .store()
        .read_again(&owned, &again, &page)
        .await
        .unwrap();
    assert_eq!(done.quarantined, 1);
    assert!(
        shop.store()
            .due_again(owned.id, 10)
            .await
            .unwrap()
            .is_empty(),
        "not for ever"
    );
}

#[tokio::test]
async fn a_record_is_read_again_as_it_stood_in_the_newest_file_that_had_it() {
    let shop = Shop::open().await;
    let tell = async |name: &str, minute| {
        let mut told = bad_row("HK1-S1", "parcel line 1 number 4012", "row");
        told.bad[0].source.file = Some(in_file(name, minute));
        shop.pull("wms", &told).await;
        let owned = shop.owned("wms").await;
        sqlx::query("UPDATE quarantine SET retry_at = hk_now()")
            .execute(shop.pool())
            .await
            .unwrap();
        let again = shop.store().due_again(owned.id, 10).await.unwrap();
        again[0].source.file.clone()
    };
    for (name, minute, stood) in [
        ("b", 20, ("b", 20)),
        ("a", 10, ("b", 20)),
        ("c", 30, ("c", 30)),
    ] {
        let file = tell(name, minute).await;
        assert_eq!(
            file,
            Some(in_file(stood.0, stood.1)),
            "hash, times and rows"
        );
    }
}

#[tokio::test]
async fn a_good_record_of_an_older_file_does_not_settle_a_newer_bad_one() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    let open = || async { shop.store().list_quarantine().await.unwrap().len() };
    let mut told = bad_row(&reference, "parcel line 1 number 4012", "row");
    told.bad[0].source.file = Some(in_file("evening", 20));
    shop.pull("wms", &told).await;
    let mut count = page(20, Vec::new());
    let bad = BadRecord::new(Some("TEA".into()), "zaiko-2.csv row 3: is no whole number");
    let (raw, file) = (b"TEA,x".to_vec(), Some(in_file("zaiko-2.csv", 20)));
    count.bad.push(IncomingBad::new(bad, Source { raw, file }));
    shop.pull("wms", &count).await;
    assert_eq!(open().await, 2);
    // Both are read after it, whatever their files' times are.
    let good = async |minute| {
        let mut fact = parcel(&reference, 1, 1);
        fact.parts = vec!["parcel line 1 number 4012".to_owned()];
        fact.source.file = Some(in_file("jisseki", minute));
        let mut told = shop.counted("TEA", 7, minute);
        told.requested_at = at(40 + minute);
        told.stock[0].source.file = Some(in_file("jisseki", minute));
        shop.pull("wms", &told).await;
        let mut told = page(40 + minute, Vec::new());
        told.facts.push(fact);
        shop.pull("wms", &told).await;
    };
    good(10).await;
    assert_eq!(
        open().await,
        2,
        "what was told before them says nothing of them"
    );
    good(20).await;
    assert_eq!(open().await, 0, "told at the same time, or later");
}

/// A count that is older than the one that stands changes nothing, so that it settles nothing either, whenever it is told.
#[tokio::test]
async fn a_count_that_changes_nothing_settles_no_bad_one() {
    let shop = Shop::open().await;
    let open = || async { shop.store().list_quarantine().await.unwrap().len() };
    shop.count("TEA", 7, 30).await;
    let mut count = page(40, Vec::new());
    let bad = BadRecord::new(Some("TEA".into()), "zaiko-2.csv row 3: is blank");
    let (raw, file) = (b"TEA,".to_vec(), Some(in_file("zaiko-2.csv", 40)));
    count.bad.push(IncomingBad::new(bad, Source { raw, file }));
    shop.pull("wms", &count).await;
    let mut older = shop.counted("TEA", 5, 20);
    older.requested_at = at(41);
    shop.pull("wms", &older).await;
    assert_eq!(open().await, 1);
    shop.count("TEA", 6, 42).await;
    assert_eq!(open().await, 0);
}

/// After an outage the bad count and the later good one are of one page, and nothing was in quarantine before.
#[tokio::test]
async fn a_good_count_of_a_later_file_settles_a_bad_one_of_the_same_page() {
    let shop = Shop::open().await;
    let mut both = shop.counted("TEA", 6, 42);
    both.stock[0].source.file = Some(in_file("zaiko-2.csv", 41));
    let bad = BadRecord::new(Some("TEA".into()), "zaiko-1.csv row 3: is blank");
    let (raw, file) = (b"TEA,".to_vec(), Some(in_file("zaiko-1.csv", 40)));
    both.bad.push(IncomingBad::new(bad, Source { raw, file }));
    shop.pull("wms", &both).await;
    assert_eq!(shop.store().list_quarantine().await.unwrap().len(), 0);
}

/// After an outage both files lie there: the bad row and the file that puts it right are of one page.
#[tokio::test]
async fn a_good_record_of_a_later_file_settles_a_bad_one_of_the_same_page() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    let open = || async { shop.store().list_quarantine().await.unwrap().len() };
    let both = |bad: i64, good: i64| {
        let mut told = bad_row(&reference, "parcel line 1 number 4012", "row");
        told.bad[0].source.file = Some(in_file("jisseki-1.csv", bad));
        let mut fact = parcel(&reference, 1, good);
        fact.parts = vec!["parcel line 1 number 4012".to_owned()];
        fact.source.file = Some(in_file("jisseki-2.csv", good));
        told.facts.push(fact);
        told
    };
    shop.pull("wms", &both(20, 20)).await;
    assert_eq!(
        open().await,
        1,
        "good rows of one file say nothing of its bad ones"
    );
    shop.pull("wms", &both(21, 22)).await;
    assert_eq!(open().await, 0);
    // The archive is read again.
    shop.pull(
        "wms",
        &bad_row(&reference, "parcel line 1 number 4012", "row"),
    )
    .await;
    assert_eq!(open().await, 0, "a file that is no newer tells nothing new");
}

#[tokio::test]
async fn what_was_dismissed_stays_dismissed_and_other_bytes_do_not() {
    let shop = Shop::open().await;
    shop.pull("shop", &bad("one")).await;
    let open = || async { shop.store().list_quarantine().await.unwrap() };
    let id = open().await[0].id;
    let dismiss = shop.store().dismiss_quarantined(id, "ops", "a test order");
    dismiss.await.unwrap();
    // The overlap of the next page.
    shop.pull("shop", &bad("one")).await;
    assert!(open().await.is_empty(), "the very same bytes");
    let row = shop.store().quarantine_row(id).await.unwrap();
    assert!(
        row.seen == 2 && row.reason.contains("dismissed by ops: a test order"),
        "{row:?}"
    );
    shop.pull("shop", &bad("two")).await;
    assert_eq!(open().await.len(), 1, "it was changed and is as bad");
    let retry = shop.store().retry_quarantined(&shop.engine.directory, id);
    retry.await.unwrap();
    shop.pull("shop", &bad("one")).await;
    assert_eq!(open().await.len(), 2, "an operator wants it read after all");
}

#[tokio::test]
async fn what_could_not_be_read_is_found_with_the_order_it_is_about() {
    let shop = Shop::open().await;
    let reference = shipment(&shop).await;
    let subject = shop.subject("A").await;
    shop.pull(
        "wms",
        &bad_row(&reference, "parcel line 1 number 4012", "row"),
    )
    .await;
    shop.pull(
        "wms",
        &bad_row("HK404-S1", "parcel line 1 number 4012", "other"),
    )
    .await;
    shop.pull("shop", &bad("changed")).await;
    let rows = shop.store().quarantined_of(subject).await.unwrap();
    let about: Vec<_> = rows
        .iter()
        .filter_map(|row| row.external_id.as_deref())
        .collect();
    assert_eq!(about, [reference.as_str(), "A"]);
}

/// A payment that cannot be understood is a payment: a retry makes no order of it, and a good reading settles it, whichever way it comes.
#[tokio::test]
async fn a_payment_that_could_not_be_read_is_kept_as_one_until_it_can_be() {
    let shop = Shop::with_provider().await;
    let owned = shop.owned("stripe").await;
    let unread = |minute: i64| {
        let mut answer = page(minute, Vec::new());
        let bad = BadRecord::new(Some("pi_1".into()), "amount is not a number");
        let source = Source {
            raw: b"payment pi_1, cut".to_vec(),
            file: None,
        };
        answer.bad.push(IncomingBad::new(bad, source));
        answer
    };
    let asked = ["pi_1".into()];
    let wanted = shop
        .store()
        .read_soon(owned.id, Kind::Payment, &asked, "hook");
    wanted.await.unwrap();
    let ingest = async |page: &IncomingPage| {
        let owned = shop.owned("stripe").await;
        let read = shop
            .store()
            .ingest_read(&owned, Kind::Payment, &asked, page);
        read.await.unwrap()
    };
    assert_eq!(ingest(&unread(0)).await.quarantined, 1);
    let again = "SELECT count(*) FROM reads WHERE kind = 'payment' AND external_id = 'pi_1' AND due_at = hk_now() + interval '10 min'";
    assert_eq!(shop.number(again).await, 1, "it is asked for again");
    let rows = shop.store().list_quarantine().await.unwrap();
    assert_eq!(rows[0].stream, "payments");
    let retried = shop
        .store()
        .retry_quarantined(&shop.engine.directory, rows[0].id);
    assert!(retried.await.unwrap().contains("by its id"));
    assert_eq!(shop.number("SELECT count(*) FROM subjects").await, 0);
    let due = shop.store().due_again(owned.id, 10).await.unwrap();
    let by_id = async |kinds: &[Kind]| {
        let by_id = shop.store().read_again_by_id(&owned, &due[0], kinds);
        by_id.await.unwrap()
    };
    assert!(!by_id(&[Kind::Order]).await, "this account cannot be asked");
    assert!(by_id(&[Kind::Order, Kind::Payment]).await);
    assert!(
        shop.store()
            .due_again(owned.id, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let reads = shop.store().due_reads(owned.id, Kind::Payment, 10);
    assert_eq!(reads.await.unwrap().0, ["pi_1".into()]);
    assert_eq!(
        shop.number("SELECT count(*) FROM reads WHERE kind <> 'payment'")
            .await,
        0
    );
    // By its id, then by a page.
    shop.clock(1).await;
    ingest(&payments(1, vec![paid("pi_1")])).await;
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
    assert_eq!(shop.number("SELECT count(*) FROM reads").await, 0);
    shop.clock(2).await;
    ingest(&unread(2)).await;
    assert_eq!(shop.store().list_quarantine().await.unwrap().len(), 1);
    let owned = shop.owned("stripe").await;
    let told = payments(3, vec![paid("pi_1")]);
    shop.store()
        .register_streams(owned.id, &["payments".to_owned()])
        .await
        .unwrap();
    shop.store()
        .ingest(&owned, "payments", 0, &told, &after(1))
        .await
        .unwrap();
    assert!(shop.store().list_quarantine().await.unwrap().is_empty());
}

/// A thousand yen.
pub(super) fn paid(key: &str) -> PaymentSnapshot {
    PaymentSnapshot {
        key: key.into(),
        reference: None,
        version: None,
        currency: Currency::JPY,
        state: PaymentState::Authorised,
        amount: 1_000,
        authorised: 1_000,
        captured: 0,
        refunded: 0,
        disputed: 0,
        authorised_until: None,
        pay_by: None,
        parts: None,
        refunds: Vec::new(),
    }
}

/// A record without rows may hold no more than the beginning of its file.
#[tokio::test]
async fn a_file_that_is_in_quarantine_as_a_whole_is_named_until_its_record_is_settled() {
    let shop = Shop::open().await;
    for (raw, rows, minute) in [("whole", vec![], 1), ("a row", vec![3], 2)] {
        let mut told = page(0, Vec::new());
        let file = InFile {
            rows,
            ..in_file("a.csv", minute)
        };
        told.bad.push(IncomingBad::new(
            BadRecord::new(None, "not one of the layout's verdicts"),
            Source {
                raw: raw.as_bytes().to_vec(),
                file: Some(file),
            },
        ));
        shop.pull("wms", &told).await;
    }
    let files = async |account: &str| {
        let id = shop.account(account);
        shop.store().files_in_quarantine(id).await.unwrap()
    };
    assert_eq!(files("wms").await, [in_file("a.csv", 1).sha256]);
    assert_eq!(files("shop").await, [""; 0]);
    for row in shop.store().list_quarantine().await.unwrap() {
        let dismissed = shop.store().dismiss_quarantined(row.id, "ops", "known");
        dismissed.await.unwrap();
    }
    assert_eq!(files("wms").await, [""; 0]);
}
