//! Webhooks, from the request to the order that is read: what is forged is not stored, what is stored is worked once, and what
//! never comes is found by polling.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::Duration;
use hikiate::hooks::{Entrance, HookDesk, bind, serve};
use hikiate::plan::types::Status;
use hikiate::store::{HookKept, MOST_WAITING, NewHook, Store};
use hikiate_sdk::conformance::{HookCase, SentHook};
use hikiate_sdk::hooks::sign_timed;
use hikiate_sdk::http::Response;
use sqlx::Row as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::world::{Setup, World, order};

/// The secret in the file that the shop's key is in, too.
const SECRET: &str = "sk_sim";

/// A shop that is polled once an hour and has a hook.
async fn hooked() -> World {
    hooked_by("hook_secret = { file = \"token\" }").await
}

/// The same, with these keys of its account.
async fn hooked_by(shop: &'static str) -> World {
    let mut world = World::new(Setup {
        shop,
        ..Setup::default()
    })
    .await;
    world
        .restart(|toml| toml.replacen("interval = \"1s\"", "interval = \"1h\"", 1))
        .await;
    world.tokyo.set_stock("APPLE", 100);
    world.count_stock().await;
    world.rounds(2).await;
    world
}

fn desk_over(world: &World, store: &Store) -> HookDesk {
    let accounts = world.engine.accounts.values();
    let accounts = accounts.map(|account| (account.id, &account.slug, &account.connector));
    HookDesk::new(store.clone(), accounts, world.engine.metrics.clone())
}

fn desk(world: &World) -> HookDesk {
    desk_over(world, &world.engine.store)
}

async fn post(world: &World, desk: &HookDesk, sent: &SentHook) -> Response {
    desk.receive_at("shop", "orders", &sent.arrived(), world.now())
        .await
}

/// A hook of a delivery that has a name.
fn delivery(world: &World, order: &str, name: &str) -> SentHook {
    let mut sent = world.shop.hook(SECRET, order, HookCase::Good);
    sent.body = format!(r#"{{"id":"{order}","delivery":"{name}"}}"#).into_bytes();
    let signature = sign_timed(SECRET, &sent.body, sent.now);
    sent.headers = vec![("x-hikiate-signature".to_owned(), signature)];
    sent
}

async fn rows(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM hook_inbox").await
}

async fn number(world: &World, sql: &'static str) -> i64 {
    let pool = world.engine.store.pool();
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

fn counted(world: &World, outcome: &str, n: u64) -> bool {
    let line =
        format!(r#"hikiate_hooks_total{{account="shop",hook="orders",outcome="{outcome}"}} {n}"#);
    let text = world.engine.metrics.render().unwrap();
    text.lines().any(|found| found == line)
}

#[tokio::test]
async fn a_change_that_a_hook_tells_of_is_read_at_once_and_the_hook_is_gone() {
    let mut world = hooked().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(3).await;
    assert_eq!(stored(&world).await, 0, "the next poll is an hour away");

    let desk = desk(&world);
    let sent = world.shop.hook(SECRET, &id, HookCase::Good);
    assert_eq!(post(&world, &desk, &sent).await.status, 202);
    let waits = "SELECT count(*) FROM hook_inbox WHERE done_at IS NULL AND body IS NOT NULL";
    assert_eq!(number(&world, waits).await, 1, "stored before the reply");
    world.rounds(3).await;
    assert_eq!(stored(&world).await, 1, "a new order");
    assert_eq!(rows(&world).await, 0);

    // The shop's time of change moves with no change that a capture is; nothing but the hook says that it is to be read.
    assert!(
        world
            .shop
            .capture_all(&world.shop.order(&id).unwrap().payment.unwrap())
    );
    let reads = world.shop.requests();
    assert_eq!(post(&world, &desk, &sent).await.status, 202);
    world.round().await;
    assert!(world.shop.requests() > reads);
    assert_eq!(captured(&world).await, 1650);
    assert!(counted(&world, "stored", 2));
}

async fn stored(world: &World) -> i64 {
    let counts = world.engine.store.count_orders().await.unwrap();
    counts.iter().map(|(_, n)| n).sum()
}

/// What the newest reading of the only order says was captured.
async fn captured(world: &World) -> i64 {
    number(
        world,
        "SELECT (body #>> '{order,tenders,0,captured}')::bigint FROM facts WHERE kind = 'order' ORDER BY id DESC LIMIT 1",
    )
    .await
}

#[tokio::test]
async fn a_hook_imports_no_order_that_the_account_leaves_out_and_a_stored_one_stays_ours() {
    let mut world = hooked_by(
        "hook_secret = { file = \"token\" }\nsales_channel = \"sc_01SIM\"\nsince = \"2026-11-20T02:00:00Z\"",
    )
    .await;
    let desk = desk(&world);
    let now = world.clock.now();
    world.clock.set(now - Duration::days(3));
    let before = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.clock.set(now);
    let other = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    assert!(world.shop.move_to_channel(&other, "sc_other"));
    let unreadable = world.shop.place_undecodable_order();
    assert!(world.shop.move_to_channel(&unreadable, "sc_other"));
    for id in [&before, &other, &unreadable] {
        let sent = world.shop.hook(SECRET, id, HookCase::Good);
        assert_eq!(post(&world, &desk, &sent).await.status, 202);
    }
    world.rounds(3).await;
    for table in [
        "SELECT count(*) FROM subjects WHERE kind = 'order'",
        "SELECT count(*) FROM quarantine",
        "SELECT count(*) FROM reads",
    ] {
        assert_eq!(number(&world, table).await, 0, "{table}");
    }

    let ours = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let sent = world.shop.hook(SECRET, &ours, HookCase::Good);
    assert_eq!(post(&world, &desk, &sent).await.status, 202);
    world.rounds(3).await;
    assert_eq!(stored(&world).await, 1);
    // Staff move it after it was instructed: what happens to it is still read.
    assert!(world.shop.move_to_channel(&ours, "sc_other"));
    let payment = world.shop.order(&ours).unwrap().payment.unwrap();
    assert!(world.shop.capture_all(&payment));
    assert_eq!(post(&world, &desk, &sent).await.status, 202);
    world.round().await;
    assert_eq!(captured(&world).await, 1650);
    let absent = "SELECT count(*) FROM presence WHERE misses > 0";
    assert_eq!(number(&world, absent).await, 0);
}

#[tokio::test]
async fn an_order_that_was_not_asked_for_is_kept_apart_until_its_list_brings_it() {
    let mut world = hooked().await;
    let desk = desk(&world);
    let asked = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let unasked = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.shop.answer_also(Some(&unasked));
    let sent = world.shop.hook(SECRET, &asked, HookCase::Good);
    assert_eq!(post(&world, &desk, &sent).await.status, 202);
    world.rounds(3).await;
    assert_eq!(stored(&world).await, 1);
    assert!(!world.shop.order(&asked).unwrap().cancelled);
    let kept = "SELECT count(*) FROM quarantine WHERE reason LIKE '%was not asked for%' AND resolved_at IS NULL";
    assert_eq!(number(&world, kept).await, 1);
    world.shop.answer_also(None);
    world.advance(Duration::hours(1)).await;
    world.rounds(3).await;
    assert_eq!(stored(&world).await, 2);
    assert_eq!(number(&world, kept).await, 0);
}

#[tokio::test]
async fn what_is_forged_or_old_is_refused_and_nothing_of_it_is_stored() {
    let world = hooked().await;
    let desk = desk(&world);
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    for case in [HookCase::BadSignature, HookCase::Old] {
        let reply = post(&world, &desk, &world.shop.hook(SECRET, &id, case)).await;
        assert_eq!((reply.status, reply.body.len()), (401, 0), "{case:?}");
    }
    for case in [HookCase::Ping, HookCase::UnknownTopic] {
        let reply = post(&world, &desk, &world.shop.hook(SECRET, &id, case)).await;
        assert_eq!(reply.status, 200, "{case:?}");
    }
    let good = world.shop.hook(SECRET, &id, HookCase::Good);
    for (account, hook) in [("shop", "other"), ("post", "orders"), ("", "")] {
        let arrived = good.arrived();
        let reply = desk.receive_at(account, hook, &arrived, world.now()).await;
        assert_eq!((reply.status, reply.body.len()), (404, 0));
    }
    assert_eq!(rows(&world).await, 0);
    assert!(counted(&world, "refused", 2) && counted(&world, "answered", 2));
}

#[tokio::test]
async fn a_hook_that_comes_twice_is_one_and_a_delivery_is_known_after_it_was_worked() {
    let mut world = hooked().await;
    let desk = desk(&world);
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let same = world.shop.hook(SECRET, &id, HookCase::Good);
    let named = delivery(&world, &id, "d-1");
    for sent in [&same, &named, &same, &named] {
        assert_eq!(post(&world, &desk, sent).await.status, 202);
    }
    assert_eq!(rows(&world).await, 2);
    assert!(counted(&world, "stored", 2) && counted(&world, "known", 2));
    world.round().await;
    let blank = "SELECT count(*) FROM hook_inbox WHERE named AND body IS NULL AND headers IS NULL AND done_at IS NOT NULL";
    assert_eq!((rows(&world).await, number(&world, blank).await), (1, 1));
    // An equal body is new input: it may be about the next change. A delivery is not.
    for sent in [&same, &named] {
        assert_eq!(post(&world, &desk, sent).await.status, 202);
    }
    assert_eq!(rows(&world).await, 2);
    world.round().await;
    world.advance(Duration::minutes(61)).await;
    world.engine.store.clear_hooks().await.unwrap();
    assert_eq!(rows(&world).await, 0);
}

#[tokio::test]
async fn hooks_that_are_dropped_doubled_and_reordered_leave_the_same_orders() {
    let mut world = hooked().await;
    let desk = desk(&world);
    world.shop.note_changes();
    let ids: Vec<String> = (0..6)
        .map(|_| world.shop.place_order(order(&[("APPLE", 1, "1000")])))
        .collect();
    let changes = world.shop.take_changes();
    assert_eq!(changes, ids);
    // The first is dropped, the others come from the last to the first, twice each.
    for id in changes[1..].iter().rev() {
        for _ in 0..2 {
            let sent = world.shop.hook(SECRET, id, HookCase::Good);
            assert_eq!(post(&world, &desk, &sent).await.status, 202);
        }
    }
    world.rounds(3).await;
    assert!(stored(&world).await >= 5);
    world.advance(Duration::hours(1)).await;
    world.rounds(20).await;
    assert_eq!(stored(&world).await, 6);
    for id in &ids {
        let seen = world.shop.order(id).unwrap();
        assert_eq!((seen.captures, seen.repeated()), (1, 0), "{id}");
        assert!(world.is(id, Status::Shipped).await || seen.is_shipped());
    }
}

#[tokio::test]
async fn a_full_inbox_asks_the_sender_to_come_again_and_empties_by_itself() {
    let mut world = hooked().await;
    let desk = desk(&world);
    sqlx::query("INSERT INTO hook_inbox (account_id, hook, key, named, arrived_at, headers, body)
        SELECT a.id, 'orders', 'k' || n, false, hk_now(), '[]', '{}' FROM accounts a, generate_series(1, $1 - 1) n WHERE a.slug = 'shop'")
        .bind(MOST_WAITING)
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    assert_eq!(
        post(&world, &desk, &delivery(&world, &id, "last"))
            .await
            .status,
        202
    );
    let reply = post(&world, &desk, &delivery(&world, &id, "beyond")).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("30"))
    );
    assert!(counted(&world, "full", 1));
    assert_eq!(rows(&world).await, MOST_WAITING);
    let backlog = world.engine.store.hook_backlogs().await.unwrap();
    assert_eq!((backlog.len(), backlog[0].waiting), (1, MOST_WAITING));
    world.round().await;
    assert_eq!(rows(&world).await, 1, "one delivery that is known");
    assert_eq!(
        post(&world, &desk, &delivery(&world, &id, "beyond"))
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn what_nobody_works_is_dropped_after_a_day() {
    let mut world = hooked().await;
    let desk = desk(&world);
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    assert_eq!(
        post(&world, &desk, &delivery(&world, &id, "d-1"))
            .await
            .status,
        202
    );
    world.advance(Duration::hours(23)).await;
    assert_eq!(world.engine.store.clear_hooks().await.unwrap(), 0);
    assert_eq!(rows(&world).await, 1);
    world.advance(Duration::hours(2)).await;
    assert_eq!(world.engine.store.clear_hooks().await.unwrap(), 1);
    assert_eq!(rows(&world).await, 0);
}

#[tokio::test]
async fn a_hook_whose_secret_was_taken_out_is_dropped_and_moves_nothing() {
    let mut world = hooked().await;
    let desk = desk(&world);
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    assert_eq!(
        post(&world, &desk, &delivery(&world, &id, "d-1"))
            .await
            .status,
        202
    );
    world
        .restart(|toml| toml.replacen("hook_secret = { file = \"token\" }", "", 1))
        .await;
    world.rounds(2).await;
    assert_eq!(stored(&world).await, 0);
    let waits = "SELECT count(*) FROM hook_inbox WHERE done_at IS NULL";
    assert_eq!(number(&world, waits).await, 0);
}

/// Two processes store the same deliveries in opposite orders: neither waits for the other for ever.
#[tokio::test]
async fn equal_hooks_of_two_processes_are_stored_once() {
    let world = hooked().await;
    let store = &world.engine.store;
    let account_id = world.engine.directory.account(&"shop".into()).unwrap();
    let new = |n: usize| NewHook {
        account_id,
        hook: "orders".to_owned(),
        key: format!("k{n:03}"),
        named: true,
        headers: serde_json::json!([]),
        body: b"{}".to_vec(),
    };
    let up: Vec<NewHook> = (0..200).map(new).collect();
    let down: Vec<NewHook> = up.iter().rev().cloned().collect();
    for _ in 0..5 {
        sqlx::query("DELETE FROM hook_inbox")
            .execute(store.pool())
            .await
            .unwrap();
        let (one, other) = tokio::join!(store.keep_hooks(&up), store.keep_hooks(&down));
        let kept = [one.unwrap(), other.unwrap()].concat();
        let stored = kept
            .iter()
            .filter(|kept| **kept == HookKept::Stored)
            .count();
        assert_eq!((kept.len(), stored), (400, 200));
    }
    let twice = store.keep_hooks(&[new(900), new(900)]).await.unwrap();
    assert_eq!(twice, [HookKept::Stored, HookKept::Stored], "one row");
    let row = sqlx::query("SELECT count(*) FROM hook_inbox WHERE key = 'k900'");
    let row = row.fetch_one(store.pool()).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 1);
}

/// A stream that fails is not asked earlier because of hooks.
#[tokio::test]
async fn a_hook_does_not_cut_a_back_off_short() {
    let mut world = hooked().await;
    let desk = desk(&world);
    let due =
        "SELECT extract(epoch FROM due_at - hk_now())::bigint FROM streams WHERE name = 'orders'";
    sqlx::query("UPDATE streams SET fails = 3, due_at = hk_now() + interval '5 minutes' WHERE name = 'orders'")
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    assert_eq!(
        post(&world, &desk, &delivery(&world, &id, "d-1"))
            .await
            .status,
        202
    );
    world.round().await;
    assert_eq!(number(&world, due).await, 299);
}

/// A request as it goes over the wire, and the whole answer.
async fn wire(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever sends too much may be cut off before the end, on either side.
    stream.write_all(request).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}

fn request(path: &str, method: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n", body.len());
    [text.as_bytes(), body].concat()
}

#[tokio::test]
async fn the_listener_answers_within_its_bounds() {
    let world = hooked().await;
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (entrance, stop) = (Entrance::default(), CancellationToken::new());
    let server = tokio::spawn(serve(listener, entrance.clone(), stop.clone()));
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let good = world.shop.hook(SECRET, &id, HookCase::Good);
    let path = "/hooks/shop/orders";
    let sent = request(path, "POST", &good.headers, &good.body);

    let early = wire(address, &sent).await;
    assert!(
        early.starts_with("HTTP/1.1 503") && early.contains("retry-after: 30"),
        "{early}"
    );
    entrance.open(desk(&world));
    let taken = wire(address, &sent).await;
    assert!(taken.starts_with("HTTP/1.1 202"), "{taken}");
    assert!(taken.contains("x-content-type-options: nosniff"), "{taken}");
    assert!(!taken.contains(&id), "{taken}");
    assert_eq!(rows(&world).await, 1);

    for (path, method, body, status) in [
        ("/hooks/shop/other", "POST", &good.body[..], "404"),
        ("/hooks/nobody/orders", "POST", &good.body, "404"),
        ("/hooks/shop", "POST", &good.body, "404"),
        ("/metrics", "GET", b"", "404"),
        (path, "TRACE", b"", "405"),
        (path, "GET", b"", "401"),
        (path, "POST", &[b'x'; 5000], "413"),
        (path, "POST", b"{}", "401"),
    ] {
        let answer = wire(address, &request(path, method, &good.headers, body)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
    }
    // A body whose length nobody tells is cut off at the limit.
    let mut chunked = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    chunked += &format!("1000\r\n{}\r\n", "x".repeat(4096));
    chunked += "1\r\nx\r\n0\r\n\r\n";
    let answer = wire(address, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let long = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nx-long: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let answer = wire(address, long.as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(rows(&world).await, 1);

    stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(60), server)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn while_the_database_is_away_senders_are_asked_to_come_again() {
    let world = hooked().await;
    let store = Store::connect(world.database(), 2).unwrap();
    let desk = Arc::new(desk_over(&world, &store));
    let good = world.shop.hook(SECRET, "order_1", HookCase::Good);
    assert_eq!(post(&world, &desk, &good).await.status, 202);
    store.close().await;
    let reply = post(&world, &desk, &delivery(&world, "order_1", "d")).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("30"))
    );
    let asked = desk.receive("shop", "orders", &good.arrived()).await;
    assert_eq!(asked.status, 503, "its time cannot be read either");
    assert!(counted(&world, "unavailable", 2));
}

/// A key that the database does not take costs its neighbours nothing; the desk makes one of what was sent.
#[tokio::test]
async fn a_hook_that_cannot_be_stored_keeps_no_other_out() {
    let world = hooked().await;
    let account_id = world.engine.directory.account(&"shop".into()).unwrap();
    let new = |key: &str| NewHook {
        account_id,
        hook: "orders".to_owned(),
        key: key.to_owned(),
        named: true,
        headers: serde_json::json!([]),
        body: b"{}".to_vec(),
    };
    let group = ["a", "", "b", "c\0", "d"].map(new);
    let kept = world.engine.store.keep_hooks(&group).await.unwrap();
    let (stored, refused) = (HookKept::Stored, HookKept::Refused);
    assert_eq!(kept, [stored, refused, stored, refused, stored]);
    assert_eq!(rows(&world).await, 3);
}
