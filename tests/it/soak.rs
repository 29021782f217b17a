//! The soak in short: two daemons on one database, all three killed under load.

use std::path::Path;

use hikiate_prove::soak;

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_and_their_database_are_killed_and_nothing_is_lost_or_done_twice() {
    let daemon = Path::new(env!("CARGO_BIN_EXE_hikiate"));
    let wrong = soak::short(daemon, 7).await.unwrap();
    assert_eq!(wrong, Vec::<String>::new());
}
