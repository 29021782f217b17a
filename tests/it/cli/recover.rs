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
    assert!(tasks.ended(0).contains("database_set_back"), "{tasks:?}");
    typed(&["--instructed", "nowhere/HK0123456789ABC-S1"]).refused(4, "no account");
    typed(&["--instructed", "no-slash"]).refused(2, "ACCOUNT/REFERENCE");
    typed(&["--line", "APPLE=2"]).refused(2, "--instructed");
    let place = "wh/HK0123456789ABC-S1";
    for odd in ["APPLE", "=2", "APPLE=0", "APPLE=two"] {
        typed(&["--instructed", place, "--line", odd]).refused(2, "SALT-YUZU=2");
    }
}
