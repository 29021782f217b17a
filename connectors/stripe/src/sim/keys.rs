//! Idempotency keys, as docs.stripe.com/api/idempotent_requests has them.

use std::collections::{BTreeSet, HashMap};

use hikiate_sdk::http::{Request, Response};

/// A key is forgotten after this.
const LIFE: i64 = 24 * 3600;

/// Answers by their key.
#[derive(Default)]
pub(super) struct Keys {
    stored: HashMap<String, Stored>,
    /// When each was stored.
    ages: BTreeSet<(i64, String)>,
}

struct Stored {
    /// Path and body of the first request.
    request: (String, Vec<u8>),
    answer: Response,
}

/// What a key means for a request.
pub(super) enum Known {
    /// The answer of the first request with it.
    Replayed(Response),
    /// It was used with another request.
    Other,
}

impl Keys {
    /// The key of a request.
    pub(super) fn of(request: &Request) -> Option<&str> {
        let mut headers = request.headers.iter();
        let key = headers.find(|(name, _)| name == "idempotency-key");
        key.map(|(_, value)| value.as_str())
    }

    /// What is known of a key.
    pub(super) fn find(&mut self, key: &str, request: &Request, now: i64) -> Option<Known> {
        while let Some((at, _)) = self.ages.first()
            && *at + LIFE <= now
        {
            if let Some((_, key)) = self.ages.pop_first() {
                self.stored.remove(&key);
            }
        }
        let stored = self.stored.get(key)?;
        if stored.request != (request.path.clone(), request.body.clone()) {
            return Some(Known::Other);
        }
        let mut answer = stored.answer.clone();
        let replayed = (crate::dialect::REPLAYED.to_owned(), "true".to_owned());
        answer.headers.push(replayed);
        Some(Known::Replayed(answer))
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, key: &str, request: &Request, answer: &Response, now: i64) {
        let stored = Stored {
            request: (request.path.clone(), request.body.clone()),
            answer: answer.clone(),
        };
        self.stored.insert(key.to_owned(), stored);
        self.ages.insert((now, key.to_owned()));
    }
}
