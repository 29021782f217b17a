//! The suite that every connector passes: over a folder, over SFTP, and for a journal.

use hikiate_files::sim::ByFile;
use hikiate_sdk::conformance::run;

async fn passes(subject: ByFile, least: usize) {
    let card = run(&subject).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    assert!(card.counts().0 >= least, "{card}");
}

#[tokio::test]
async fn a_warehouse_in_a_folder() {
    passes(ByFile::ALL[0], 60).await;
}

#[tokio::test]
async fn a_warehouse_over_sftp() {
    passes(ByFile::ALL[1], 60).await;
}

#[tokio::test]
async fn a_journal_in_a_folder() {
    passes(ByFile::ALL[2], 10).await;
}
