//! Every parser of bytes from outside, as functions of bytes that must come back: without a panic, soon, and
//! with an answer no larger than the question allows. `fuzz/` and a bounded test run the same functions.

mod amounts;
mod answers;
mod configured;
mod facts;
mod folder;
mod mutate;
mod rules;
mod shop;

pub use mutate::mutated;

/// A parser under its name, which is that of its fuzz target and of its seeds' folder.
#[derive(Clone, Copy, Debug)]
pub struct Parser {
    /// The name.
    pub name: &'static str,
    /// Reads bytes; panics when something is wrong.
    pub read: fn(&[u8]),
    /// Larger questions are not asked: what reads them has a limit of its own.
    pub most: usize,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Parser> {
    let parser = |name, read, most| Parser { name, read, most };
    vec![
        parser("medusa_page", shop::page as fn(&[u8]), 1 << 16),
        parser("medusa_answer", shop::answer, 1 << 14),
        parser("files_shipments", folder::shipments, 1 << 16),
        parser("files_stock", folder::stock, 1 << 16),
        parser("files_names", folder::names, 1 << 10),
        parser("files_layout", folder::layout, 1 << 14),
        parser("cursor", folder::cursor, 1 << 12),
        parser("settings", configured::settings, 1 << 13),
        parser("config", configured::config, 1 << 14),
        parser("mail_template", configured::mail_template, 1 << 12),
        parser("rule", rules::rule, 1 << 12),
        parser("fact", facts::fact, 1 << 14),
        parser("amounts", amounts::amounts, 1 << 9),
        parser("http_error", answers::http_error, 1 << 16),
        parser("raw", answers::raw, 1 << 16),
    ]
}

/// The parser of a name.
///
/// # Panics
/// Without one.
#[must_use]
pub fn named(name: &str) -> Parser {
    let found = all().into_iter().find(|parser| parser.name == name);
    found.unwrap_or_else(|| panic!("no parser is named {name:?}"))
}

/// The seeds of a parser, in the order of their names.
///
/// # Panics
/// Without a folder of them.
#[must_use]
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |file: &std::path::PathBuf| std::fs::read(file).unwrap();
    files.iter().map(read).collect()
}

/// Waits for what no network is behind.
fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
