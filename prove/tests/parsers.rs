//! Every parser of bytes from outside on its seeds and on bytes near them, for a bounded time.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hikiate_prove::model::Rng;
use hikiate_prove::parsers::{Parser, mutated, named, seeds};
use hikiate_prove::suite::seed;
use proptest::prelude::*;

/// For each parser; `HIKIATE_PARSERS_SECONDS` asks for so long instead.
const QUESTIONS: u64 = 4_000;
/// No question takes longer, whoever else the machine works for.
const SOON: Duration = Duration::from_secs(60);

fn ask(parser: Parser, bytes: &[u8]) {
    let begun = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| (parser.read)(bytes)));
    let shown = String::from_utf8_lossy(bytes).escape_debug().to_string();
    assert!(answer.is_ok(), "{} on {bytes:?}\n{shown}", parser.name);
    assert!(
        begun.elapsed() < SOON,
        "{} took {:?} on {shown}",
        parser.name,
        begun.elapsed()
    );
}

/// Seeds, then bytes near them, then any bytes.
fn stands(parser: Parser, seeds: &[Vec<u8>]) {
    let name = parser.name;
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in seeds {
        assert!(seed.len() < 4096, "a seed of {name} is large");
        ask(parser, seed);
    }
    let seed = seed();
    println!("{name}: seed {seed}");
    let mut rng = Rng::new(seed);
    let seconds = std::env::var("HIKIATE_PARSERS_SECONDS").ok();
    let budget = seconds.map(|text| Duration::from_secs(text.parse().unwrap()));
    let begun = Instant::now();
    let mut asked = 0;
    while budget.map_or(asked < QUESTIONS, |budget| begun.elapsed() < budget) {
        ask(parser, &mutated(seeds, &mut rng, parser.most));
        asked += 1;
    }
    println!("{name}: {asked} questions, {:?}", begun.elapsed());
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(bytes in prop::collection::vec(any::<u8>(), 0..512))| ask(parser, &bytes));
}

macro_rules! parsers {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { stands(named(stringify!($name)), &seeds(stringify!($name))); })*

        #[test]
        fn none_is_left_out() {
            let tested = [$(stringify!($name)),*];
            let all: Vec<_> = hikiate_prove::parsers::all().iter().map(|p| p.name).collect();
            assert_eq!(tested.as_slice(), all.as_slice());
        }
    };
}

parsers! {
    medusa_page, medusa_answer, files_shipments, files_stock, files_names, files_layout, cursor,
    settings, config, mail_template, rule, fact, amounts, http_error, raw,
}

/// Takes a text apart between two bytes of a character.
fn halves(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (left, right) = text.split_at(text.len() / 2);
    assert_eq!(left.len() + right.len(), text.len());
}

/// Makes minor units of any whole number.
fn minor_units(bytes: &[u8]) {
    if let Ok(number) = String::from_utf8_lossy(bytes).parse::<i64>() {
        assert!(number.checked_mul(100).is_some(), "{number} is too large");
    }
}

/// Looks for the end of a quoted word, and takes for granted that there is one.
fn quoted(bytes: &[u8]) {
    if let Some(rest) = bytes.strip_prefix(b"\"") {
        let end = rest.iter().position(|byte| *byte == b'"');
        assert!(end.is_some(), "no end");
    }
}

#[test]
fn parsers_that_are_wrong_are_found_out() {
    let parser = |name, read| Parser {
        name,
        read,
        most: 1 << 12,
    };
    let wrong = [
        (parser("halves", halves as fn(&[u8])), "名前"),
        (parser("minor_units", minor_units), "1200"),
        (parser("quoted", quoted), "\"word\""),
    ];
    for (parser, seed) in wrong {
        let name = parser.name;
        let seeds = [seed.as_bytes().to_vec()];
        let stood = catch_unwind(|| stands(parser, &seeds));
        assert!(stood.is_err(), "{name} was not found out");
    }
}
