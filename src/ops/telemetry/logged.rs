//! What is logged, for tests that read it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::{LogFormat, dispatch};

/// Keeps what is written to any of its clones.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What this thread logs meanwhile, as the program would write it.
pub(crate) fn text(format: LogFormat, filter: &str, run: impl FnOnce()) -> String {
    let sink = Sink::default();
    let twin = sink.clone();
    let dispatch = dispatch(format, filter, move || twin.clone()).unwrap();
    tracing::dispatcher::with_default(&dispatch, run);
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

/// The one line that it logs meanwhile, at debug level or above.
pub(crate) fn line(run: impl FnOnce()) -> serde_json::Value {
    serde_json::from_str(&text(LogFormat::Json, "debug", run)).unwrap()
}
