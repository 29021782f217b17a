//! What a warehouse reports, in any order, again, and of lines that look alike.

use chrono::Duration;
use hikiate::number::order_number;
use hikiate::plan::types::Status;
use hikiate_files::sim::SimHandling;

use super::world::{Setup, World, order, start};

const REPLY: &str = "出荷指示番号,受付結果,メッセージ,受付日時";
pub(super) const PARCEL: &str =
    "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時";

fn reference(id: &str) -> String {
    format!("{}-S1", order_number(&"shop".into(), &id.into()))
}

pub(super) fn put(world: &World, name: &str, head: &str, row: &str) {
    let path = world.dir.path().join("tokyo/incoming").join(name);
    std::fs::write(path, format!("{head}\r\n{row}\r\n")).unwrap();
}

async fn stocked(setup: Setup) -> World {
    let mut world = World::new(setup).await;
    world.tokyo.set_stock("APPLE", 100);
    world.count_stock().await;
    world.round().await;
    world
}

fn tell(world: &World, event: &str, n: usize, id: &str) {
    let reference = reference(id);
    match event {
        "reply" => put(
            world,
            &format!("uketsuke-{n}.csv"),
            REPLY,
            &format!("{reference},OK,,"),
        ),
        "parcel" => put(
            world,
            &format!("jisseki-{n}.csv"),
            PARCEL,
            &format!("{reference},1,APPLE,1,ヤマト,T-{id},2026/11/20 11:00:05"),
        ),
        _ => world.shop.touch_order(id),
    }
}

/// A day of shipping that is told ahead is booked on that day: no journal of today has an entry of next week.
#[tokio::test]
async fn a_time_of_shipping_that_has_not_come_is_read_once_it_has() {
    let mut world = stocked(Setup {
        more: "[delivery]\npresume = \"0s\"\n",
        ..Setup::default()
    })
    .await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    for _ in 0..3 {
        world.round().await;
    }
    let row = format!(
        "{},1,APPLE,1,ヤマト,T-{id},2026/11/27 10:00:00",
        reference(&id)
    );
    put(&world, "jisseki-1.csv", PARCEL, &row);
    // The journal closes every ten seconds.
    for _ in 0..15 {
        world.round().await;
    }
    let open = "SELECT count(*) FROM revenue_events WHERE batch_id IS NULL";
    let open = async |world: &World| -> i64 {
        let pool = world.engine.store.pool();
        sqlx::query_scalar(open).fetch_one(pool).await.unwrap()
    };
    assert_eq!((open(&world).await, world.journal_total()), (0, 0));
    assert_eq!(
        world.tasks().await,
        ["quarantine"],
        "a time that has not come is no time of shipping"
    );
    world.advance(Duration::days(7)).await;
    for _ in 0..5 {
        world.round().await;
    }
    assert_eq!(
        world.tasks().await,
        ["quarantine"],
        "it stays with its reason"
    );
    // The warehouse sends the file again on the day itself.
    put(&world, "jisseki-2.csv", PARCEL, &row);
    for _ in 0..15 {
        world.round().await;
    }
    assert_eq!((open(&world).await, world.journal_total()), (0, 1650));
    assert!(world.tasks().await.is_empty());
}

/// Acceptance, parcel and a change at the shop, in all six orders, and then all of it again: the end is the same.
#[tokio::test]
async fn reports_in_any_order_and_again_end_alike() {
    let mut world = stocked(Setup::default()).await;
    let orders = [
        ["reply", "parcel", "shop"],
        ["reply", "shop", "parcel"],
        ["parcel", "reply", "shop"],
        ["parcel", "shop", "reply"],
        ["shop", "reply", "parcel"],
        ["shop", "parcel", "reply"],
    ];
    let placed: Vec<_> = orders
        .iter()
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    for _ in 0..3 {
        world.round().await;
    }
    let mut n = 0;
    for turn in 0..3 {
        for (events, id) in orders.iter().zip(&placed) {
            n += 1;
            tell(&world, events[turn], n, id);
        }
        world.round().await;
        world.round().await;
    }
    for _ in 0..8 {
        world.round().await;
    }
    let ends = |world: &World| -> Vec<_> {
        let of = placed.iter().map(|id| world.shop.order(id).unwrap());
        of.map(|o| (o.is_shipped(), o.captured, o.captures, o.fulfilments.len()))
            .collect()
    };
    assert_eq!(ends(&world), vec![(true, 1650, 1, 1); 6]);
    assert_eq!(world.free("APPLE", "tokyo").await, 94);
    assert_eq!(world.mails.mails().len(), 6);

    for id in &placed {
        for event in ["parcel", "reply", "shop"] {
            n += 1;
            tell(&world, event, n, id);
        }
        world.round().await;
    }
    for _ in 0..4 {
        world.round().await;
    }
    for id in &placed {
        assert!(world.is(id, Status::Shipped).await);
    }
    assert_eq!(ends(&world), vec![(true, 1650, 1, 1); 6]);
    assert_eq!(world.free("APPLE", "tokyo").await, 94);
    assert_eq!(world.mails.mails().len(), 6);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// Two lines of one code leave in two parcels: each line of the shop is fulfilled by its own number, once.
#[tokio::test]
async fn two_lines_of_one_code_in_two_parcels_end_at_their_own_lines() {
    let handling = |_: &_| SimHandling {
        parcel_per_line: true,
        ..SimHandling::default()
    };
    let mut world = stocked(Setup {
        handling,
        ..Setup::default()
    })
    .await;
    let id = world
        .shop
        .place_order(order(&[("APPLE", 2, "1000"), ("APPLE", 1, "900")]));
    world.rounds(14).await;
    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped(), "{:?}", world.status(&id).await);
    assert!(seen.lines.iter().all(|(_, _, wanted, done)| wanted == done));
    let tracking: usize = seen.fulfilments.iter().map(|f| f.tracking.len()).sum();
    assert_eq!(tracking, 2);
    assert_eq!(
        (seen.captured, seen.repeated()),
        (seen.total, seen.captures - 1)
    );
    assert_eq!(world.free("APPLE", "tokyo").await, 97);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// A parcel that is reported after a count which already lacks it is not taken off twice; one that left after the
/// count is. No order waits for a count, and none is stopped by one.
#[tokio::test]
async fn a_report_before_and_after_a_count_takes_its_units_off_once() {
    for (counted, as_of, ends) in [(99, "11:08:00", 99), (100, "11:02:00", 99)] {
        let mut world = stocked(Setup::default()).await;
        let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        for _ in 0..3 {
            world.round().await;
        }
        assert!(world.is(&id, Status::Instructed).await);
        world.advance(Duration::minutes(10)).await;
        put(
            &world,
            "zaiko-9.csv",
            "商品コード,倉庫コード,在庫数,集計日時",
            &format!("APPLE,,{counted},2026/11/20 {as_of}"),
        );
        world.round().await;
        put(
            &world,
            "uketsuke-9.csv",
            REPLY,
            &format!("{},OK,,", reference(&id)),
        );
        let left = format!(
            "{},1,APPLE,1,ヤマト,T4012,2026/11/20 11:05:00",
            reference(&id)
        );
        put(&world, "jisseki-9.csv", PARCEL, &left);
        for _ in 0..6 {
            world.round().await;
        }
        let rows = world.engine.store.list_stock(Some("APPLE")).await.unwrap();
        let on_hand: i64 = rows
            .iter()
            .filter(|r| r.warehouse == "tokyo")
            .map(|r| r.on_hand)
            .sum();
        assert_eq!(
            (on_hand, world.free("APPLE", "tokyo").await),
            (ends, ends),
            "counted at {as_of}"
        );
        assert!(world.shop.order(&id).unwrap().is_shipped());
        assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    }
}

/// A warehouse that writes days and no times: what left on the day of a count may be in it or not, and is rather taken off.
#[tokio::test]
async fn what_left_on_the_day_of_a_count_is_taken_off_where_only_the_day_is_told() {
    let mut world = World::new(Setup::default()).await;
    let days = "field = \"shipped_at\", format = \"%Y/%m/%d";
    let times = format!("{days} %H:%M:%S\"");
    world.tokyo_differs(&times, &format!("{days}\"")).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 3, "1000")]));
    world.rounds(3).await;
    assert!(world.is(&id, Status::Instructed).await);
    world.advance(Duration::minutes(10)).await;
    let left = format!("{},1,APPLE,3,ヤマト,T4012,2026/11/20", reference(&id));
    put(&world, "jisseki-9.csv", PARCEL, &left);
    world.rounds(6).await;
    assert!(world.is(&id, Status::Shipped).await);
    assert_eq!(world.free("APPLE", "tokyo").await, 7);
    // An order of more than is left waits.
    let more = world.shop.place_order(order(&[("APPLE", 8, "1000")]));
    world.rounds(6).await;
    assert!(!world.is(&more, Status::Instructed).await);
}

/// A list of all stock without a row empties no warehouse by itself.
#[tokio::test]
async fn a_list_of_all_stock_without_rows_is_told() {
    let mut world = World::new(Setup::default()).await;
    world
        .tokyo_differs("[stock]\n", "[stock]\nabsent = \"zero\"\n")
        .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    world.advance(Duration::minutes(10)).await;
    let path = world.dir.path().join("tokyo/incoming/zaiko-9.csv");
    std::fs::write(path, "商品コード,倉庫コード,在庫数,集計日時\r\n").unwrap();
    world.rounds(3).await;
    assert_eq!(world.free("APPLE", "tokyo").await, 10);
    let tasks = world.tasks().await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    let task = &world.engine.store.list_tasks().await.unwrap()[0];
    assert_eq!(task.kind, "stock_list_short");
    assert!(
        task.detail.contains("zaiko-9.csv: names no item at tokyo"),
        "{}",
        task.detail
    );
}

/// A file that is not as the layout says is a task of its stream, until it is gone.
#[tokio::test]
async fn a_file_that_waits_is_a_task_until_it_is_right_or_gone() {
    let mut world = stocked(Setup::default()).await;
    let path = world.dir.path().join("tokyo/incoming/jisseki-1.csv");
    std::fs::write(&path, "").unwrap();
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(start().into()).unwrap();
    world.advance(Duration::minutes(10)).await;
    world.rounds(3).await;
    let tasks = world.engine.store.list_tasks().await.unwrap();
    let task = tasks.iter().find(|task| task.kind == "stream_waiting");
    let task = task.unwrap_or_else(|| panic!("{tasks:?}"));
    assert!(task.subject.ends_with("/shipments"), "{}", task.subject);
    assert!(task.detail.contains("jisseki-1.csv"), "{}", task.detail);
    let counts = world.engine.store.count_tasks().await.unwrap();
    let waiting = counts.iter().find(|count| count.kind == "stream_waiting");
    assert_eq!(waiting.map(|count| count.count), Some(1), "{counts:?}");
    std::fs::remove_file(&path).unwrap();
    world.rounds(3).await;
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

/// A result file made by an operator: marks of a spreadsheet, a word in place of a number, a year mistyped, a rounded number.
#[tokio::test]
async fn a_result_file_made_by_hand_is_read_as_it_was_meant_or_asked_about() {
    let handling = |_: &_| SimHandling {
        ship_after: 600,
        ..SimHandling::default()
    };
    let mut world = stocked(Setup {
        handling,
        more: "[notice]\nwait_for_number = \"0s\"\n",
        ..Setup::default()
    })
    .await;
    let placed: Vec<_> = (0..4)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    world.rounds(3).await;
    for id in &placed {
        assert!(world.is(id, Status::Instructed).await);
    }
    let cells = [
        ("'401234567890", "2026/11/20 11:00:05"),
        ("未定", "2026/11/20 11:00:05"),
        ("401234567892", "2025/11/20 11:00:05"),
        ("4.01235E+11", "2026/11/20 11:00:05"),
    ];
    let rows: Vec<String> = placed
        .iter()
        .zip(cells)
        .map(|(id, (number, at))| format!("{},1,APPLE,1,ヤマト,{number},{at}", reference(id)))
        .collect();
    put(&world, "jisseki-1.csv", PARCEL, &rows.join("\r\n"));
    world.rounds(10).await;
    let numbers = |id: &String| {
        let seen = world.shop.order(id).unwrap();
        let told = seen.fulfilments.iter().flat_map(|f| f.tracking.clone());
        (seen.is_shipped(), told.collect::<Vec<_>>())
    };
    assert_eq!(numbers(&placed[0]), (true, vec!["401234567890".to_owned()]));
    assert_eq!(numbers(&placed[1]), (true, Vec::new()));
    assert_eq!(
        numbers(&placed[2]),
        (false, Vec::new()),
        "shipped before it was ordered"
    );
    assert_eq!(numbers(&placed[3]), (false, Vec::new()));
    let mut tasks = world.tasks().await;
    tasks.sort_unstable();
    assert_eq!(tasks, ["quarantine", "quarantine", "tracking_not_reported"]);
    assert_eq!(world.free("APPLE", "tokyo").await, 96);
    let last_year: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM revenue_events WHERE business_date < '2026-11-20'",
    )
    .fetch_one(world.engine.store.pool())
    .await
    .unwrap();
    assert_eq!(last_year, 0);
    assert!(!world.is(&placed[2], Status::Delivered).await);

    // The number comes with the next file, and so does the right date: nothing ships or counts a second time.
    let rows = [
        format!(
            "{},1,APPLE,1,ヤマト,401234567891,2026/11/20 11:00:05",
            reference(&placed[1])
        ),
        format!(
            "{},1,APPLE,1,ヤマト,401234567892,2026/11/20 11:00:05",
            reference(&placed[2])
        ),
        format!(
            "{},1,APPLE,1,ヤマト,401234567893,2026/11/20 11:00:05",
            reference(&placed[3])
        ),
    ];
    put(&world, "jisseki-2.csv", PARCEL, &rows.join("\r\n"));
    world.rounds(10).await;
    // Whether the row with the rounded number was this one, nobody but an operator can say.
    let mut tasks = world.tasks().await;
    tasks.sort_unstable();
    assert_eq!(tasks, ["quarantine", "tracking_corrected"]);
    assert_eq!(world.free("APPLE", "tokyo").await, 96);
    assert_eq!(world.mails.mails().len(), 4);
    for id in &placed {
        let seen = world.shop.order(id).unwrap();
        assert_eq!((seen.captures, seen.captured), (1, seen.total));
    }
}

/// What one stream cannot store is its own trouble: it waits longer and longer, says why, and the others of its account go on.
/// Orders that are read by their ids and cannot be stored keep no stream of their account from being read.
#[tokio::test]
async fn orders_that_cannot_be_stored_when_they_are_read_by_id_stop_no_stream() {
    let mut world = stocked(Setup::default()).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    let pool = world.engine.store.pool().clone();
    sqlx::raw_sql(
        "CREATE FUNCTION no_absence() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
         CREATE TRIGGER no_absence BEFORE INSERT OR UPDATE ON presence FOR EACH ROW EXECUTE FUNCTION no_absence()",
    )
    .execute(&pool)
    .await
    .unwrap();
    world.shop.delete(&id);
    sqlx::query("UPDATE reads SET due_at = hk_now() WHERE external_id = $1")
        .bind(&id)
        .execute(&pool)
        .await
        .unwrap();
    let next = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(8).await;
    assert!(
        world.is(&next, Status::Shipped).await,
        "read by its stream meanwhile"
    );
    let (fails, error): (i32, String) =
        sqlx::query_as("SELECT fails::int, error FROM read_failures")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert!(
        fails > 0 && error.contains("could not be stored"),
        "{error}"
    );
    // It is asked for less and less often, and somebody hears of it.
    for _ in 0..8 {
        world.advance(Duration::minutes(5)).await;
        world.rounds(1).await;
    }
    let tasks = world.engine.store.list_tasks().await.unwrap();
    assert!(
        tasks.iter().any(|task| task.kind == "reads_failing"),
        "{tasks:?}"
    );
}

/// A cumulative export tells old answers again beside new ones. What counts is the newest by its own time.
#[tokio::test]
async fn an_answer_that_stands_again_in_a_later_file_is_not_the_newest() {
    for (first, second, now) in [
        ("NG,在庫差異", "OK,", Status::Instructed),
        ("OK,", "NG,破損", Status::Unallocated),
    ] {
        let handling = |_: &_| SimHandling {
            ship_after: 50,
            ..SimHandling::default()
        };
        let setup = Setup {
            handling,
            ..Setup::default()
        };
        let mut world = stocked(setup).await;
        let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        let other = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
        world.rounds(3).await;
        let reference = reference(&id);
        let row = |what: &str, minute| format!("{reference},{what},2026/11/20 11:{minute:02}:00");
        put(&world, "uketsuke-1.csv", REPLY, &row(first, 1));
        world.rounds(2).await;
        put(&world, "uketsuke-2.csv", REPLY, &row(second, 3));
        world.rounds(2).await;
        assert!(
            world.is(&id, now).await,
            "{second}: {:?}",
            world.status(&id).await
        );
        let new = format!("{},OK,,2026/11/20 11:04:00", self::reference(&other));
        let both = format!("{}\r\n{new}", row(first, 1));
        put(&world, "uketsuke-3.csv", REPLY, &both);
        world.rounds(2).await;
        assert!(
            world.is(&id, now).await,
            "{first} again: {:?}",
            world.status(&id).await
        );
    }
}

/// A shop whose paging broke shows its first page for ever. What stands behind it is not passed over when that is mended.
#[tokio::test]
async fn a_shop_that_repeats_one_page_is_a_task_and_loses_no_order() {
    let mut world = stocked(Setup {
        shop: "page_size = 2",
        ..Setup::default()
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.shop.place_order(order(&[("APPLE", 1, "1000")])));
        world.advance(Duration::seconds(1)).await;
    }
    world.shop.repeat_first_page(4 * 3_600);
    let mut requests = world.shop.requests();
    for _ in 0..4 {
        world.advance(Duration::minutes(50)).await;
        world.rounds(30).await;
    }
    let asked = world.shop.requests() - requests;
    assert!(asked < 200, "{asked} calls");
    let error: Option<String> =
        sqlx::query_scalar("SELECT error FROM streams WHERE name = 'orders'")
            .fetch_one(world.engine.store.pool())
            .await
            .unwrap();
    let error = error.unwrap();
    assert!(
        error.contains("returned a different page than requested"),
        "{error}"
    );
    let tasks = world.tasks().await;
    assert!(
        tasks.iter().any(|task| task.contains("stream_failing")),
        "{tasks:?}"
    );
    world.advance(Duration::hours(1)).await;
    requests = world.shop.requests();
    world.rounds(30).await;
    assert!(world.shop.requests() > requests);
    for id in &ids {
        assert!(world.is(id, Status::Shipped).await, "{id}");
    }
    let tasks = world.tasks().await;
    assert!(
        tasks.iter().all(|task| !task.contains("stream_failing")),
        "{tasks:?}"
    );
}

#[tokio::test]
async fn a_stream_that_cannot_store_its_page_keeps_no_other_from_being_read() {
    let mut world = stocked(Setup::default()).await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    let pool = world.engine.store.pool().clone();
    sqlx::raw_sql(
        "CREATE FUNCTION no_parcels() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
         CREATE TRIGGER no_parcels BEFORE INSERT ON facts FOR EACH ROW WHEN (NEW.kind = 'parcel') EXECUTE FUNCTION no_parcels()",
    )
    .execute(&pool)
    .await
    .unwrap();
    let row = format!(
        "{},1,APPLE,1,ヤマト,401234567890,2026/11/20 11:00:05",
        reference(&id)
    );
    put(&world, "jisseki-1.csv", PARCEL, &row);
    world.rounds(3).await;
    world.tokyo.set_stock("APPLE", 70);
    world.count_stock().await;
    world.rounds(3).await;
    let (fails, error): (i16, Option<String>) =
        sqlx::query_as("SELECT s.fails, s.error FROM streams s JOIN accounts a ON a.id = s.account_id WHERE s.name = 'shipments' AND s.fails > 0")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert!(fails > 0 && error.unwrap().contains("could not be stored"));
    let counted: i64 = sqlx::query_scalar("SELECT counted_qty FROM stock_levels")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(counted, 70, "counted meanwhile");
    sqlx::raw_sql("DROP TRIGGER no_parcels ON facts")
        .execute(&pool)
        .await
        .unwrap();
    world.advance(Duration::minutes(10)).await;
    world.rounds(3).await;
    assert!(
        world.is(&id, Status::Shipped).await,
        "read once it can be stored"
    );
}
