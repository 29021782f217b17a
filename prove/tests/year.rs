//! The year tool on some days, with short times in place of the defaults.

use hikiate_prove::support::Listener;
use hikiate_prove::year::{PLANTED, Terms, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_some_days_nothing_grows_and_a_planted_address_is_gone() {
    let terms = Terms {
        days: 14,
        orders: 5,
        retention: "raw = \"1d\"\npersonal = \"2d\"\nquarantine = \"1d\"\n".to_owned(),
    };
    let done = run(&terms, &Listener::new(&PLANTED, "").install()).await;
    println!("{done}");
    assert!(done.wrong.is_empty(), "{:#?}", done.wrong);
}
