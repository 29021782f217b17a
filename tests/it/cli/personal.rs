//! What names somebody, after its time: nowhere, and the order goes on without it.

use chrono::Duration;
use hikiate::daemon::purge_step;
use hikiate::plan::types::Status;
use hikiate_medusa::sim::NewOrder;
use hikiate_sdk::Party;

use super::orders::{number_of, run};
use crate::flow::world::{Setup, World, order};
use crate::support::traces;

/// In ASCII, so that they are the same bytes in each encoding.
const ADDRESS: [&str; 4] = ["Quelmann", "Rosenweg 77", "0800-77-6655", "quelmann@"];

fn planted(sku: &str) -> NewOrder {
    let mut order = order(&[(sku, 2, "1000")]);
    order.email = "Quelmann@example.jp".to_owned();
    let known = order.address.take().unwrap();
    order.address = Some(Party {
        name: "Quelmann".to_owned(),
        address1: "Rosenweg 77".to_owned(),
        phone: "0800-77-6655".to_owned(),
        ..known
    });
    order
}

async fn world() -> World {
    let mut world = World::new(Setup {
        more: "[delivery]\npresume = \"0s\"\n",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 20);
    world.count_stock().await;
    world.round().await;
    world
}

/// An order of the planted address that is in the books.
async fn booked(world: &mut World) -> String {
    let id = world.shop.place_order(planted("APPLE"));
    world.rounds(25).await;
    assert!(world.is(&id, Status::Booked).await);
    id
}

#[tokio::test]
async fn after_its_time_an_address_is_in_no_table_and_the_order_is_planned_and_explained_as_before()
{
    let mut world = world().await;
    let id = booked(&mut world).await;
    let number = number_of(&world, &id);
    let pool = world.engine.store.pool().clone();
    let there = traces(&pool, &ADDRESS).await;
    for table in ["batches", "personal", "raw_payloads_rest"] {
        let has = |found: &String| found.starts_with(&format!("{table}:"));
        assert!(there.iter().any(has), "{table} {there:?}");
    }
    let explained = run(&world, &["order", "explain", &number, "--json"]).json();
    let tasks = world.tasks().await;

    world.advance(Duration::days(181)).await;
    world.plan().await;
    purge_step(&world.engine).await.unwrap();
    assert_eq!(traces(&pool, &ADDRESS).await, [""; 0]);
    let metrics = world.engine.metrics.render().unwrap();
    for line in [
        r#"hikiate_purged_total{what="orders"} 1"#,
        r#"hikiate_purged_total{what="batches"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    // Planned anew, as after an upgrade of its facts.
    sqlx::query("UPDATE subjects SET plan_at = hk_now() WHERE number = $1")
        .bind(&number)
        .execute(&pool)
        .await
        .unwrap();
    // And read anew, as its channel changes it.
    let again_at = world.now().format("%Y-%m-%d").to_string();
    assert!(world.shop.tag(&id, &["seen again"]));
    for _ in 0..5 {
        world.advance(Duration::minutes(1)).await;
        world.rounds(3).await;
    }
    assert!(world.is(&id, Status::Booked).await);
    let seen: Option<String> = sqlx::query_scalar(
        "SELECT cursor ->> 'seen' FROM streams s JOIN accounts a ON a.id = s.account_id WHERE a.slug = 'shop' AND s.name = 'orders'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(seen.is_some_and(|seen| seen > again_at), "it was read anew");
    let again = run(&world, &["order", "explain", &number, "--json"]).json();
    assert_eq!(again["status"], explained["status"]);
    assert_eq!(again["shipments"], explained["shipments"]);
    assert!(tasks.is_empty(), "{tasks:?}");
    let tasks = world.tasks().await;
    assert!(
        !tasks
            .iter()
            .any(|kind| kind.contains("address") || kind.contains("plan_failed")),
        "{tasks:?}"
    );
    let shown = run(&world, &["order", "show", &number]);
    assert!(shown.ended(0).contains("personal    deleted"), "{shown:?}");
    assert_eq!(world.mails.mails().len(), 1, "no second mail");
    assert_eq!(traces(&pool, &ADDRESS).await, [""; 0]);
}

#[tokio::test]
async fn an_address_is_erased_on_demand_and_the_act_does_not_name_it() {
    let mut world = world().await;
    let id = booked(&mut world).await;
    let number = number_of(&world, &id);
    let open = world.shop.place_order(planted("PEAR"));
    world.rounds(3).await;
    let waiting = number_of(&world, &open);
    let pool = world.engine.store.pool().clone();

    let refused = run(&world, &["personal", "erase", &waiting]);
    refused.refused(5, "still open");
    assert!(refused.err.contains("hikiate order end"), "{refused:?}");
    run(&world, &["personal", "erase", "nobody@example.jp"])
        .refused(4, "no order has this mail address");

    // Seen before: a dry run counts the same and changes nothing.
    let before = traces(&pool, &ADDRESS).await;
    let dry = run(
        &world,
        &["personal", "erase", "quelmann@EXAMPLE.jp", "--dry-run"],
    );
    let shown = dry.ended(5);
    for words in [
        format!("{number}: would erase names and addresses 1, raw bytes of readings "),
        format!("would not be erased: order {waiting} is still open"),
        "nothing was changed".to_owned(),
    ] {
        assert!(shown.contains(&words), "{words:?} is not in {shown}");
    }
    assert_eq!(traces(&pool, &ADDRESS).await, before);
    let typed: i64 = sqlx::query_scalar("SELECT count(*) FROM operator_acts")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(typed, 0, "what changed nothing is no act");
    // Who acts may have the address too: the words that are replaced are the orders' alone.
    let erase = [
        "--actor",
        "quelmann@EXAMPLE.jp",
        "personal",
        "erase",
        "quelmann@EXAMPLE.jp",
    ];
    let erased = run(&world, &erase);
    let said = erased.ended(5);
    assert!(erased.err.contains(&waiting), "{erased:?}");
    for words in [
        format!("{number}: erased names and addresses 1, raw bytes of readings "),
        format!("not erased: order {waiting} is still open"),
        "backups".to_owned(),
    ] {
        assert!(said.contains(&words), "{words:?} is not in {said}");
    }
    let acts: Vec<String> = sqlx::query_scalar("SELECT command FROM operator_acts ORDER BY at, id")
        .fetch_all(&pool)
        .await
        .unwrap();
    // What was refused is not done.
    assert_eq!(acts, [format!("personal erase {number}")]);
    // What is left is the open order's.
    world.shop.cancel_order(&open);
    world.rounds(5).await;
    let rest = run(&world, &["personal", "erase", &waiting, "--json"]).json();
    assert_eq!(rest["erased"][0]["number"], waiting.as_str());
    // Who acted stays, whatever name that is.
    let acted: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM operator_acts WHERE actor = 'quelmann@EXAMPLE.jp'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(acted, 1);
    sqlx::query("UPDATE operator_acts SET actor = 'somebody'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(traces(&pool, &ADDRESS).await, [""; 0]);
    run(&world, &["personal", "erase", "quelmann@example.jp"]).refused(4, "deleted already");
}

#[tokio::test]
async fn an_address_that_stands_in_quarantine_alone_is_erased_or_the_record_is_named() {
    let world = world().await;
    let pool = world.engine.store.pool().clone();
    let record = async |hash: &str, raw: &str, out: bool| -> i64 {
        sqlx::query_scalar(
            "INSERT INTO quarantine (account_id, stream, hash, raw, reason, first_at, last_at, resolved_at, dismissed_at)
             SELECT id, 'orders', $1, $2, 'no JSON', hk_now(), hk_now(), CASE WHEN $3 THEN hk_now() END, CASE WHEN $3 THEN hk_now() END
             FROM accounts WHERE slug = 'shop' RETURNING id",
        )
        .bind(hash.as_bytes())
        .bind(raw.as_bytes())
        .bind(out)
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    let erase = ["personal", "erase", "quelmann@example.jp"];
    let open = record("a", "{\"email\":\"Quelmann@example.jp\"", false).await;
    run(&world, &erase).refused(5, &format!("quarantined record {open} holds the address"));

    let dismissed = record("b", "<Quelmann\\u0040Example.jp>", true).await;
    let said = run(&world, &erase);
    for words in [
        "erased the bytes of 1 records".to_owned(),
        format!("left: quarantined record {open}"),
    ] {
        assert!(said.ended(0).contains(&words), "{words:?} {said:?}");
    }
    let bytes: Vec<(i64, bool)> =
        sqlx::query_as("SELECT id, raw <> '' FROM quarantine WHERE reason = 'no JSON' ORDER BY id")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(bytes, [(open, true), (dismissed, false)]);
    let acts: Vec<String> = sqlx::query_scalar("SELECT command FROM operator_acts")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(acts, ["personal erase ADDRESS"]);

    let id = open.to_string();
    run(&world, &["quarantine", "dismiss", &id, "--reason", "x"]).ended(0);
    run(&world, &erase).ended(0);
    run(&world, &erase).refused(4, "deleted already");
    run(&world, &["personal", "erase", "@"]).refused(2, "before and after its @");
    // A local part may have a slash, as an order's own name does.
    let slash = record("c", "info/quelmann@example.jp", true).await;
    let said = run(&world, &["personal", "erase", "info/Quelmann@example.jp"]);
    assert!(
        said.ended(0).contains("the bytes of 1 records"),
        "{slash} {said:?}"
    );
    run(&world, &["personal", "erase", "info/web@example.jp"])
        .refused(4, "no order has this mail address");
    run(&world, &["personal", "erase", "shop/web"]).refused(4, "no order \"shop/web\"");
}

#[tokio::test]
async fn an_error_in_the_middle_leaves_an_act_of_what_was_erased_until_then() {
    let mut world = world().await;
    let ids = [(); 2].map(|()| world.shop.place_order(planted("APPLE")));
    world.rounds(25).await;
    for id in &ids {
        assert!(world.is(id, Status::Booked).await);
    }
    let numbers = ids.map(|id| number_of(&world, &id));
    let pool = world.engine.store.pool().clone();
    // They are erased in the order in which they came.
    let numbers: Vec<String> =
        sqlx::query_scalar("SELECT number FROM subjects WHERE number = ANY($1) ORDER BY id")
            .bind(numbers.to_vec())
            .fetch_all(&pool)
            .await
            .unwrap();
    let last: i64 = sqlx::query_scalar("SELECT id FROM subjects WHERE number = $1")
        .bind(&numbers[1])
        .fetch_one(&pool)
        .await
        .unwrap();
    let broken = format!(
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF old.subject_id = {last} THEN RAISE EXCEPTION 'broken'; END IF; RETURN old; END $$;
         CREATE TRIGGER broken BEFORE DELETE ON personal FOR EACH ROW EXECUTE FUNCTION broken()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(broken))
        .execute(&pool)
        .await
        .unwrap();
    let stopped = run(&world, &["personal", "erase", "quelmann@example.jp"]);
    for words in [
        format!("{}: erased names and addresses 1", numbers[0]),
        format!("{}: perhaps erased in part", numbers[1]),
        "run this command again".to_owned(),
    ] {
        assert!(stopped.ended(1).contains(&words), "{words:?} {stopped:?}");
    }
    let acts: Vec<String> = sqlx::query_scalar("SELECT command FROM operator_acts")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(acts, [format!("personal erase {}", numbers.join(" "))]);
}
