//! Carries requests to one site: a turn of the account's budget for each, its credentials, and the class of each answer.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::auth::Credentials;
use super::network::Network;
use super::{
    Answer, Dialect, Request, Response, Site, Transport, TransportError, classify, excerpt,
};
use crate::budget::Ask;
use crate::{Error, ErrorClass, Link, Problem};

/// A client of one site of an account. Made by [`Link::http`].
#[derive(Clone)]
pub struct HttpClient {
    link: Link,
    transport: Arc<dyn Transport>,
    credentials: Credentials,
    dialect: Arc<dyn Dialect>,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpClient")
    }
}

impl HttpClient {
    pub(crate) fn new(
        link: Link,
        site: Site,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Self, Problem> {
        let base = site.base()?;
        let transport = match transport {
            Some(transport) => transport,
            None => Arc::new(Network::new(
                base,
                site.ca_file.as_deref(),
                site.timeout,
                site.max_body,
            )?),
        };
        Ok(Self {
            link,
            transport,
            credentials: Credentials::new(site.auth),
            dialect: site.dialect,
        })
    }

    /// Sends a request that changes nothing at the external system. Caches on the way are told not to answer in its place
    /// (`Cache-Control: no-cache`): an answer of before a write would have that write made again.
    ///
    /// # Errors
    /// The class of the answer or of its absence; a read is never `OutcomeUnknown`. `RateLimited` where the account's own
    /// budget has no turn for it ([`Error::is_put_off`]). The external system's own words are quoted, as those of a
    /// [write](Self::write) are.
    pub async fn read(&self, mut request: Request) -> Result<Response, Error> {
        ask_past_caches(&mut request);
        self.call(request, false).await
    }

    /// Sends a request that may change something.
    ///
    /// # Errors
    /// What the site's dialect says; where it says nothing, 5xx and a lost answer are `OutcomeUnknown`, 429 `RateLimited`, 423
    /// `Busy`, 401 `Auth`, 403 `Forbidden`, 404 `NotFound`, 409 `Conflict`, any other 4xx `Rejected`. The external system's own words
    /// are cut to 300 characters and quoted ([`text::quote`](crate::text::quote)).
    pub async fn write(&self, request: Request) -> Result<Response, Error> {
        self.call(request, true).await
    }

    async fn call(&self, request: Request, is_write: bool) -> Result<Response, Error> {
        let mut attempts = self.credentials.attempts();
        loop {
            let turn = attempts.begin();
            let dressed = self.credentials.dress(&request, self.link.now(), turn)?;
            let answer = self.once(&request, dressed, is_write).await;
            match &answer {
                // A key that was replaced is unknown at some and allowed nothing at others.
                Err(error) if is_refusal(error) && attempts.again() => {
                    tracing::info!(
                        request = request.label(),
                        "credentials were rejected; retrying with the value read again, or with the other one"
                    );
                }
                Err(error) if is_refusal(error) => {
                    return answer.map_err(|error| Error {
                        message: format!("{}{}", error.message, self.credentials.blanks()),
                        ..error
                    });
                }
                Err(_) => return answer,
                Ok(_) => {
                    attempts.taken();
                    return answer;
                }
            }
        }
    }

    /// One request, one turn.
    async fn once(
        &self,
        request: &Request,
        dressed: Request,
        is_write: bool,
    ) -> Result<Response, Error> {
        let label = request.label();
        let ask = Ask {
            class: request.class,
            cost: request.cost,
        };
        let turn = self.link.meter().turn(ask).await?;
        let (method, started) = (request.method.as_str(), Instant::now());
        let result = self.transport.send(dressed).await;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let path = label.split_once(' ').map_or("", |(_, path)| path);
        let Ok(response) = &result else {
            tracing::debug!(method, path, milliseconds, "no answer to the request");
            return result.map_err(|e| without_answer(&label, &e, is_write));
        };
        let status = response.status;
        tracing::debug!(method, path, status, milliseconds, "request");
        let answer = Answer {
            request,
            response,
            is_write,
        };
        if let Some(reading) = self.dialect.reading(&answer) {
            turn.read(reading);
        }
        let error = self.judged(&answer);
        turn.ended(error.as_ref());
        match error {
            None => result.map_err(|e| without_answer(&label, &e, is_write)),
            Some(error) => Err(Error {
                message: format!("{label}: {}", error.message),
                ..error
            }),
        }
    }

    /// The error that an answer is. Nothing secret reaches its words, whatever the dialect quotes: it judges a body without
    /// secrets.
    fn judged(&self, answer: &Answer<'_>) -> Option<Error> {
        let judge = |answer: &Answer<'_>| self.dialect.judge(answer, plain(answer));
        let error = judge(answer)?;
        match without(&answer.response.body, &self.credentials.texts()) {
            Cow::Borrowed(_) => Some(error),
            Cow::Owned(body) => {
                let response = Response {
                    body,
                    ..answer.response.clone()
                };
                let clean = Answer {
                    response: &response,
                    ..*answer
                };
                // Judged without its secrets it may be no error any more: the bare class must do.
                let bare = || Error::new(error.class, "the answer repeats our credentials");
                Some(judge(&clean).unwrap_or_else(bare))
            }
        }
    }
}

/// Has caches pass the request on, those of HTTP/1.0 too, unless it says what it wants of them.
fn ask_past_caches(request: &mut Request) {
    for name in ["cache-control", "pragma"] {
        let mut headers = request.headers.iter();
        if !headers.any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            request
                .headers
                .push((name.to_owned(), "no-cache".to_owned()));
        }
    }
}

/// What the status alone says.
fn plain(answer: &Answer<'_>) -> Option<Error> {
    let response = answer.response;
    if (200..300).contains(&response.status) {
        return None;
    }
    let words = excerpt(&response.body, &[]);
    classify(
        response.status,
        response.retry_after(),
        &words,
        answer.is_write,
    )
}

/// A body without these texts.
fn without<'a>(body: &'a [u8], secrets: &[SecretString]) -> Cow<'a, [u8]> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Cow::Borrowed(body);
    };
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().map(ExposeSecret::expose_secret) {
        if text.contains(secret) {
            text = Cow::Owned(text.replace(secret, "***"));
        }
    }
    match text {
        Cow::Borrowed(_) => Cow::Borrowed(body),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

pub(super) fn without_answer(label: &str, error: &TransportError, is_write: bool) -> Error {
    let class = match error {
        TransportError::NotSent(_) => ErrorClass::Transient,
        _ if is_write => ErrorClass::OutcomeUnknown,
        TransportError::NoAnswer(_) => ErrorClass::Transient,
        TransportError::TooLarge(_) => ErrorClass::Protocol,
    };
    Error::new(class, format!("{label}: {error}"))
}

/// The credentials, or their rights, do not suffice.
fn is_refusal(error: &Error) -> bool {
    matches!(error.class, ErrorClass::Auth | ErrorClass::Forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_answer_leaves_a_write_open_and_a_read_not() {
        let class = |error: &TransportError, write| without_answer("GET /x", error, write).class;
        let not_sent = TransportError::NotSent("refused".to_owned());
        let no_answer = TransportError::NoAnswer("reset".to_owned());
        let large = TransportError::TooLarge(10);
        assert_eq!(
            (class(&not_sent, false), class(&not_sent, true)),
            (ErrorClass::Transient, ErrorClass::Transient)
        );
        assert_eq!(
            (class(&no_answer, false), class(&no_answer, true)),
            (ErrorClass::Transient, ErrorClass::OutcomeUnknown)
        );
        assert_eq!(
            (class(&large, false), class(&large, true)),
            (ErrorClass::Protocol, ErrorClass::OutcomeUnknown)
        );
    }
}
