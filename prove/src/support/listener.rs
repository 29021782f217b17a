//! Every line that the program logs, at debug level, looked through for words that name somebody.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Hears every event of this process, or of a thread.
#[derive(Clone, Debug)]
pub struct Listener {
    names: &'static [&'static str],
    targets: &'static str,
    lines: Arc<AtomicU64>,
    caught: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// Listens for these names in what targets that begin so log.
    #[must_use]
    pub fn new(names: &'static [&'static str], targets: &'static str) -> Self {
        Self {
            names,
            targets,
            lines: Arc::default(),
            caught: Arc::default(),
        }
    }

    /// Hears from now on, for the whole process; once.
    #[must_use]
    pub fn install(self) -> Self {
        tracing::subscriber::set_global_default(self.clone()).unwrap();
        self
    }

    /// Lines heard.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Lines with a name.
    #[must_use]
    pub fn caught(&self) -> Vec<String> {
        self.caught.lock().unwrap().clone()
    }

    fn hear(&self, words: &str) {
        let plain = words.to_lowercase();
        if self
            .names
            .iter()
            .any(|word| plain.contains(&word.to_lowercase()))
        {
            self.caught.lock().unwrap().push(words.to_owned());
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG && metadata.target().starts_with(self.targets)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut words = Words(span.metadata().name().to_owned());
        span.record(&mut words);
        self.hear(&words.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut words = Words(String::new());
        values.record(&mut words);
        self.hear(&words.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(event.metadata().target().to_owned());
        event.record(&mut words);
        self.lines.fetch_add(1, Ordering::Relaxed);
        self.hear(&words.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// All fields as a line shows them.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}
