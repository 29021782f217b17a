//! What the merchant writes: account tables, the configuration, mail templates.

use std::path::Path;

use hikiate::config::{Surroundings, load};
use hikiate_sdk::{AccountConfig, AccountSlug, ConnectorKind};

/// The connectors of the program.
fn kinds() -> [Box<dyn ConnectorKind>; 3] {
    [
        Box::new(hikiate_medusa::MedusaKind),
        Box::new(hikiate_files::Files),
        Box::new(hikiate_smtp::Smtp),
    ]
}

/// An account's table, for each connector.
pub(super) fn settings(bytes: &[u8]) {
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let Ok(settings) = serde_json::from_slice(body) else {
        return;
    };
    let slug = AccountSlug::new("account");
    let account = AccountConfig {
        slug: &slug,
        settings: &settings,
        base_dir: Path::new("/nowhere"),
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    let kind = &kinds()[usize::from(choice % 3)];
    if let Err(problems) = kind.build(&account) {
        let size: usize = problems.iter().map(|p| p.key.len() + p.message.len()).sum();
        assert!(size <= 200 * (body.len() + 100), "{size} bytes of problems");
    }
}

fn loaded(dir: &Path) {
    let surroundings = Surroundings {
        variables: std::collections::BTreeMap::new(),
        allow_missing_secrets: true,
        allow_bad_mapping: false,
    };
    let kinds = kinds();
    let kinds: Vec<&dyn ConnectorKind> = kinds.iter().map(|kind| &**kind).collect();
    match load(Some(&dir.join("hikiate.toml")), &surroundings, &kinds) {
        Ok(loaded) => assert!(loaded.summary.len() < 1 << 20),
        Err(problems) => assert!(!problems.is_empty(), "rejected without a reason"),
    }
}

/// The configuration file.
pub(super) fn config(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hikiate.toml"), bytes).unwrap();
    loaded(dir.path());
}

/// A mail template, tried out while the configuration is loaded.
pub(super) fn mail_template(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mails")).unwrap();
    std::fs::write(dir.path().join("mails/shipped.txt"), bytes).unwrap();
    let text = "[mail]\ntemplates = \"mails\"\nlanguage = \"en\"\n";
    std::fs::write(dir.path().join("hikiate.toml"), text).unwrap();
    loaded(dir.path());
}
