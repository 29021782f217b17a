//! `hikiate recover` as it is typed.

use super::Shop;
use crate::support::db;

const SINCE: &str = "2020-01-01T00:00:00+09:00";

#[tokio::test]
async fn a_recovery_is_looked_at_first_and_begun_on_purpose() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let because = ["--reason", "restored"];
    let typed = |arguments: &[&str]| {
        let all: Vec<&str> = ["recover"]
            .iter()
            .chain(arguments)
            .chain(&because)
            .copied()
            .collect();
        shop.run(&all)
    };
    let phase = async || {
        let phase: String = sqlx::query_scalar("SELECT phase FROM recovery")
            .fetch_one(&db.pool)
            .await
            .unwrap();
        phase
    };
    typed(&[]).refused(2, "--lost-since");
    typed(&["--lost-since", "yesterday", "--yes"]).refused(2, "with its zone");
    typed(&["--lost-since", "2999-01-01T00:00:00Z", "--yes"]).refused(5, "has not come yet");
    typed(&["--instructed", "wh/HK0123456789ABC-S1"]).refused(5, "no recovery was begun");
    typed(&["--books-cleared"]).refused(5, "no revenue waits");

    let looked = typed(&["--lost-since", SINCE, "--dry-run"]);
    assert!(
        looked.ended(0).contains("nothing was changed"),
        "{looked:?}"
    );
    let unsure = typed(&["--lost-since", SINCE]);
    assert!(unsure.ended(5).contains("would be"), "{unsure:?}");
    assert_eq!(phase().await, "none");

    let begun = typed(&["--lost-since", SINCE, "--yes", "--json"]).json();
    assert_eq!(
        (&begun["dry_run"], &begun["effects"]),
        (&false.into(), &0.into())
    );
    assert_eq!(phase().await, "orders");
    let tasks = shop.run(&["tasks"]);
    assert!(tasks.ended(0).contains("database_data_loss"), "{tasks:?}");
    typed(&["--instructed", "nowhere/HK0123456789ABC-S1"]).refused(4, "no account");
    typed(&["--instructed", "no-slash"]).refused(2, "ACCOUNT/REFERENCE");
    typed(&["--line", "APPLE=2"]).refused(2, "--instructed");
    let place = "wh/HK0123456789ABC-S1";
    for odd in ["APPLE", "=2", "APPLE=0", "APPLE=two"] {
        typed(&["--instructed", place, "--line", odd]).refused(2, "SALT-YUZU=2");
    }
}

/// What kept something back in the lost window is in force again before anything goes out.
#[tokio::test]
async fn a_recovery_waits_for_lost_commands_that_keep_something_back() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    sqlx::query("INSERT INTO accounts (slug, connector) VALUES ('wh', 'files')")
        .execute(&db.pool)
        .await
        .unwrap();
    let state = shop.dir.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("witness"), "").unwrap();
    let act = |id: &str, command: &str| {
        format!(
            "{{\"id\": \"{id}\", \"at\": \"2026-01-02T00:00:00Z\", \"actor\": \"taro\", \"command\": \"{command}\"}}\n"
        )
    };
    let pause = "pause wh --reason fire";
    let lost = act("a", pause) + &act("b", "order release HK1 --reason x");
    std::fs::write(state.join("acts"), lost).unwrap();
    let recover = |how: &[&str]| {
        let words = ["recover", "--lost-since", SINCE, "--reason", "restored"];
        shop.run(&[&words[..], how].concat())
    };
    let listed = |how: &[&str]| -> Vec<String> {
        let told = recover(how).json();
        let acts = told["lost_acts"].as_array().unwrap().iter();
        acts.map(|act| act["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed(&["--dry-run", "--json"]), ["a", "b"]);
    recover(&["--yes"]).refused(5, pause);
    let phase: String = sqlx::query_scalar("SELECT phase FROM recovery")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert_eq!(phase, "none");
    shop.run(&["pause", "wh", "--reason", "fire"]).ended(0);
    assert_eq!(listed(&["--dry-run", "--json"]), ["b"]);
    recover(&["--yes"]).ended(0);
}

#[tokio::test]
async fn that_nothing_was_lost_is_said_on_purpose_and_not_against_a_lost_command() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let state = shop.dir.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let said = |how: &[&str]| {
        let words = ["recover", "--nothing-lost", "--reason", "promoted"];
        shop.run(&[&words[..], how].concat())
    };
    said(&["--yes"]).refused(5, "no daemon suspects");
    said(&["--lost-since", SINCE]).refused(2, "--lost-since");
    let suspect =
        "UPDATE recovery SET phase = 'suspected', why = 'on timeline 2', suspected_at = hk_now()";
    sqlx::query(suspect).execute(&db.pool).await.unwrap();
    let tasks = shop.run(&["tasks"]);
    assert!(
        tasks.ended(0).contains("recover --nothing-lost"),
        "{tasks:?}"
    );
    let at = hikiate_sdk::sim::SimClock::real().now().to_rfc3339();
    let act = format!(
        "{{\"id\": \"a\", \"at\": \"{at}\", \"actor\": \"taro\", \"command\": \"order hold HK1 --reason x\"}}\n"
    );
    std::fs::write(state.join("acts"), act).unwrap();
    said(&["--yes"]).refused(5, "order hold HK1");
    // It was lost before a recovery that has given it up.
    let recovered = "UPDATE recovery SET begun_at = hk_now() + interval '1 s'";
    sqlx::query(recovered).execute(&db.pool).await.unwrap();
    assert!(
        said(&["--dry-run"])
            .ended(0)
            .contains("nothing was changed")
    );
    assert!(said(&[]).ended(5).contains("would resume"));
    let told = said(&["--yes", "--json"]).json();
    assert_eq!(told["why"], "on timeline 2");
    let row: (String, i32) = sqlx::query_as("SELECT phase, epoch FROM recovery")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert_eq!(row, ("none".to_owned(), 1));
}

#[tokio::test]
async fn a_lost_command_that_is_not_wanted_any_more_keeps_no_recovery_back() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let state = shop.dir.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let act = r#"{"id": "a", "at": "2026-01-02T00:00:00Z", "actor": "taro", "command": "order hold HK1 --reason x"}"#;
    std::fs::write(state.join("acts"), act).unwrap();
    let recover = |how: &[&str]| {
        let words = ["recover", "--lost-since", SINCE, "--reason", "restored"];
        shop.run(&[&words[..], how].concat())
    };
    recover(&["--yes"]).refused(5, "--acts-typed");
    recover(&["--dry-run", "--acts-typed"]).refused(2, "--acts-typed");
    recover(&["--yes", "--acts-typed"]).ended(0);
}
