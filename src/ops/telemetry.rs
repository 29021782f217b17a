//! Structured logs on standard error; standard output belongs to the commands.

#[cfg(test)]
pub(crate) mod logged;

use schemars::JsonSchema;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The environment variable that overrules the configured filter.
pub const FILTER_VARIABLE: &str = "HIKIATE_LOG";

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people at a terminal.
    #[default]
    Pretty,
    /// One JSON object a line, with its fields at the top.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("the log filter {filter:?} is invalid: {reason}; example: info,hikiate::push=debug")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was set up before.
    #[error("logging is already set up: {0}")]
    Twice(String),
}

/// Starts logging for the process. `HIKIATE_LOG` overrules `filter` (directives as in
/// `info,hikiate::push=debug`).
///
/// # Errors
/// When the filter does not parse, or logging was started before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let from_environment = std::env::var(FILTER_VARIABLE).ok();
    let filter = from_environment
        .as_deref()
        .filter(|text| !text.is_empty())
        .unwrap_or(filter);
    let dispatch = dispatch(format, filter, std::io::stderr)?;
    tracing::dispatcher::set_global_default(dispatch)
        .map_err(|error| TelemetryError::Twice(error.to_string()))
}

/// A panic is a log line with its place. Its message is not repeated: one that was put together may quote names and addresses, and
/// Rust prints it to standard error, which is the log.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(
            at = at.unwrap_or_default(),
            "panicked; the message is not repeated, since it may quote data"
        );
    }));
}

/// Whether a filter can be used, as [`init`] would.
///
/// # Errors
/// When it does not parse.
pub fn check(filter: &str) -> Result<(), TelemetryError> {
    parsed(filter).map(drop)
}

fn parsed(filter: &str) -> Result<EnvFilter, TelemetryError> {
    // A slow statement is one for whoever looks for it: among warnings its SQL hides what somebody has to do.
    EnvFilter::builder()
        .parse(format!("sqlx::query=error,{filter}"))
        .map_err(|error| TelemetryError::Filter {
            filter: filter.to_owned(),
            reason: error.to_string(),
        })
}

fn dispatch<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<tracing::Dispatch, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(parsed(filter)?)
        .with_writer(writer);
    Ok(match format {
        LogFormat::Json => lines.json().flatten_event(true).into(),
        LogFormat::Pretty => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .into(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn two_lines(format: LogFormat, filter: &str) -> String {
        logged::text(format, filter, || {
            tracing::info!(order = 7, "planned");
            tracing::debug!("too fine");
        })
    }

    #[test]
    fn json_lines_carry_their_fields_at_the_top() {
        let text = two_lines(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "planned");
        assert_eq!(line["order"], 7);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn the_filter_decides_what_is_written() {
        assert!(two_lines(LogFormat::Pretty, "warn").is_empty());
        let text = two_lines(LogFormat::Pretty, "debug");
        assert!(
            text.contains("planned") && text.contains("too fine"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_filter_is_named() {
        let error = dispatch(LogFormat::Json, "hikiate=loud", std::io::sink).unwrap_err();
        assert!(error.to_string().contains("hikiate=loud"), "{error}");
    }
}
