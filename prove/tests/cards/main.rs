//! The conformance suite over the registry, its cards in the document, and connectors broken on purpose.

#![expect(clippy::unwrap_used, reason = "tests")]

mod broken;

use std::path::{Path, PathBuf};
use std::{env, fs};

use hikiate::registry::CONNECTORS;
use hikiate_prove::cards::{deal, deviations, replace, section};
use hikiate_sdk::conformance::run;
use hikiate_sdk::sim::skipped;

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/connectors.md")
}

/// `HIKIATE_CARDS=write` writes the section instead of comparing it: `make cards`.
#[test]
fn every_connector_holds_and_the_document_has_its_card() {
    let dealt = deal();
    let mut failures = Vec::new();
    for kind in &dealt {
        if kind.cards.is_empty() {
            failures.push(format!("{} gives the suite no subject", kind.name));
        }
        for card in &kind.cards {
            let of = card.failures().into_iter();
            failures.extend(of.map(|why| format!("{}: {why}", card.name)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(dealt.len(), CONNECTORS.len());

    let old = fs::read_to_string(document()).unwrap();
    let new = replace(&old, &section(&dealt)).unwrap();
    if env::var_os("HIKIATE_CARDS").is_some_and(|v| v == "write") {
        fs::write(document(), new).unwrap();
    } else {
        assert!(
            old == new,
            "docs/connectors.md does not have the cards as they are: run `make cards`"
        );
    }
}

const WIRE: &str = "what_goes_over_the_wire_is_in_the_public_document";

/// Needs the public documents in `HIKIATE_SPECS`; they are not ours to keep here.
#[tokio::test]
async fn what_goes_over_the_wire_is_in_the_public_document() {
    let Some(folder) = env::var_os("HIKIATE_SPECS").map(PathBuf::from) else {
        return skipped(
            WIRE,
            "HIKIATE_SPECS names no folder of public specifications",
        );
    };
    for subject in CONNECTORS.iter().flat_map(|kind| kind.subjects()) {
        let Some(specification) = subject.specification() else {
            continue;
        };
        let file = folder.join(specification.document);
        let Ok(text) = fs::read_to_string(&file) else {
            skipped(WIRE, &format!("{} is not there", file.display()));
            continue;
        };
        run(&*subject).await;
        let exchanges = specification.exchanges.all();
        assert!(exchanges.len() > 100, "{} exchanges", exchanges.len());
        let found = deviations(&serde_json::from_str(&text).unwrap(), &exchanges);
        let known = specification.deviations;
        let new: Vec<_> = found
            .iter()
            .filter(|f| !known.iter().any(|(end, _)| f.ends_with(end)))
            .collect();
        let gone: Vec<_> = known
            .iter()
            .filter(|(end, _)| !found.iter().any(|f| f.ends_with(end)))
            .collect();
        assert!(
            new.is_empty() && gone.is_empty(),
            "{}: not in the document: {new:#?}; declared and not seen: {gone:#?}",
            subject.name()
        );
        println!(
            "{}: {} exchanges agree with {}",
            subject.name(),
            exchanges.len(),
            specification.document
        );
    }
}
