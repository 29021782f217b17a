//! Reads a stream as the engine does.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::records::identity;
use super::run::{Seen, ensure};
use super::subject::Bench;
use crate::{Error, ErrorClass, Here, Observed, Page, Source};

/// More pages than any check can need.
const ENDLESS: usize = 1000;

pub(super) fn source(bench: &Bench) -> Result<&dyn Source, String> {
    bench
        .connector
        .source()
        .ok_or_else(|| "a fresh account offers no source".to_owned())
}

/// What a drain told, page by page, each with the cursor after it.
pub(super) struct Drained {
    pub(super) pages: Vec<(BTreeSet<String>, Value)>,
    pub(super) good: Vec<Observed>,
    pub(super) bad: Vec<String>,
    pub(super) consumes: bool,
}

impl Drained {
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.pages.iter().flat_map(|(ids, _)| ids.clone()).collect()
    }

    /// Where to go on from.
    pub(super) fn cursor(&self) -> Option<Value> {
        self.pages.last().map(|(_, cursor)| cursor.clone())
    }
}

pub(super) fn told(page: &Page) -> BTreeSet<String> {
    page.records
        .iter()
        .filter_map(|r| r.parsed.as_ref().ok())
        .map(identity)
        .collect()
}

/// Reads to the end as the engine does: the cursor goes through text, a page is acknowledged before the next.
pub(super) async fn drain(
    bench: &Bench,
    seen: &Seen,
    stream: &str,
    from: Option<Value>,
) -> Result<Drained, String> {
    drain_at(bench, seen, stream, from, now()).await
}

/// The time by which pages are asked for: external systems of the suite work by the machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the suite has no database whose clock it could use"
)]
pub(super) fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

/// Reads to the end at a time by the engine's clock.
pub(super) async fn drain_at(
    bench: &Bench,
    seen: &Seen,
    stream: &str,
    from: Option<Value>,
    now: DateTime<Utc>,
) -> Result<Drained, String> {
    let source = source(bench)?;
    let mut drained = Drained {
        pages: Vec::new(),
        good: Vec::new(),
        bad: Vec::new(),
        consumes: false,
    };
    let mut cursor = from;
    for _ in 0..ENDLESS {
        let page = page_at(bench, stream, cursor.as_ref(), now)
            .await
            .map_err(|e| shown(seen, &e, "a page without a fault"))?;
        seen.debug(
            &page
                .records
                .iter()
                .filter_map(|r| r.parsed.as_ref().err())
                .collect::<Vec<_>>(),
        );
        for record in &page.records {
            ensure(!record.raw.is_empty(), "a record without its raw bytes")?;
            match &record.parsed {
                Ok(observed) => drained.good.push(observed.clone()),
                Err(bad) => drained.bad.push(bad.reason.clone()),
            }
        }
        if let Some(ack) = &page.ack {
            drained.consumes = true;
            for _ in 0..2 {
                source
                    .acknowledge(ack)
                    .await
                    .map_err(|e| shown(seen, &e, "an acknowledgement"))?;
            }
        }
        let next = through_text(&page.next)?;
        drained.pages.push((told(&page), next.clone()));
        if !page.more {
            return Ok(drained);
        }
        ensure(
            page.ack.is_some() || cursor.as_ref() != Some(&next),
            "a page says that there is more, but its cursor did not move",
        )?;
        cursor = Some(next);
    }
    Err(format!("still more after {ENDLESS} pages"))
}

/// One page as the engine asks for it: of a stream by code, with the codes after the cursor, which is the engine's own.
pub(super) async fn page_at(
    bench: &Bench,
    stream: &str,
    cursor: Option<&Value>,
    now: DateTime<Utc>,
) -> Result<Page, Error> {
    let Some(source) = bench.connector.source() else {
        return Err(Error::new(
            ErrorClass::Config,
            "the account offers no source",
        ));
    };
    let streams = source.streams();
    let by_code = streams.iter().find(|spec| spec.name == stream);
    let Some(most) = by_code.and_then(|spec| spec.by_code) else {
        return source.page(stream, cursor, Here::at(now)).await;
    };
    let mut codes = bench.far.codes(stream).await;
    codes.sort_unstable();
    let after = cursor.and_then(|cursor| cursor["after"].as_str());
    codes.retain(|code| after.is_none_or(|after| code.as_str() > after));
    codes.truncate(most);
    let more = codes.len() == most;
    let next = json!({ "after": codes.last().filter(|_| more) });
    if codes.is_empty() {
        return Ok(Page::new(Vec::new(), next, false));
    }
    let here = Here {
        codes: &codes,
        ..Here::at(now)
    };
    let page = source.page(stream, None, here).await?;
    Ok(Page { next, more, ..page })
}

pub(super) fn through_text(cursor: &Value) -> Result<Value, String> {
    serde_json::from_str(&cursor.to_string())
        .map_err(|e| format!("the cursor does not survive being stored: {e}"))
}

pub(super) fn shown(seen: &Seen, error: &Error, what: &str) -> String {
    seen.debug(error);
    format!("{what} failed: {:?}: {error}", error.class)
}
