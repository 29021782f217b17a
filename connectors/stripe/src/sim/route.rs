//! From a request to an answer.

use std::collections::BTreeMap;

use hikiate_sdk::http::{Method, Request, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::keys::{Keys, Known};
use super::render::{self, Expand};
use super::state::State;
use super::writes::{self, CaptureAsked};
use super::{Trouble, list};

/// A definite no.
#[derive(Debug)]
pub(super) struct Refused {
    status: u16,
    error: Value,
    /// It came after the call was begun, so that its key is spent.
    stored: bool,
}

impl Refused {
    fn new(status: u16, kind: &str, code: Option<&str>, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut error = json!({ "type": kind, "message": message });
        if let Some(code) = code {
            error["code"] = json!(code);
        }
        Self {
            status,
            error,
            stored: false,
        }
    }

    fn of(mut self, param: &str) -> Self {
        self.error["param"] = json!(param);
        self
    }

    fn spent(self) -> Self {
        Self {
            stored: true,
            ..self
        }
    }

    /// There is no such thing.
    pub(super) fn missing(kind: &str, id: &str) -> Self {
        let message = format!("No such {kind}: '{id}'");
        Self::new(404, INVALID, Some("resource_missing"), message).of("id")
    }

    /// A field is not as it should be.
    pub(super) fn parameter(name: &str, message: &str) -> Self {
        Self::new(400, INVALID, None, message).of(name)
    }

    /// It cannot be done now.
    pub(super) fn state(code: &str, message: &str) -> Self {
        Self::new(400, INVALID, Some(code), message).spent()
    }

    /// The payment is not in a state for it.
    pub(super) fn unexpected_state(what: &str, status: &str) -> Self {
        let message =
            format!("You cannot {what} this PaymentIntent because it has a status of {status}.");
        Self::state("payment_intent_unexpected_state", &message)
    }
}

const INVALID: &str = "invalid_request_error";

pub(super) fn unauthorized() -> Response {
    let refused = Refused::new(401, INVALID, None, "Invalid API Key provided");
    refused_answer(&refused)
}

fn respond(status: u16, body: &Value) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Response {
        status,
        headers,
        body: body.to_string().into_bytes(),
    }
}

fn refused_answer(refused: &Refused) -> Response {
    respond(refused.status, &json!({ "error": refused.error }))
}

pub(super) fn handle(state: &mut State, request: &Request, now: i64) -> Response {
    state.requests += 1;
    let mut answer = answered(state, request, now);
    let id = format!("req_SIM{:08}", state.requests);
    answer.headers.push(("request-id".to_owned(), id));
    answer
}

fn answered(state: &mut State, request: &Request, now: i64) -> Response {
    if let Some(permission) = permission(request).filter(|p| state.forbidden.contains(*p)) {
        let message = format!(
            "The provided key does not have the required permissions for this endpoint. Having the '{permission}' permission would allow this request to continue."
        );
        return refused_answer(&Refused::new(403, INVALID, None, message));
    }
    if request.method == Method::Get {
        let mut broken = state.broken.iter();
        if let Some((_, status)) = broken.find(|(of, _)| request.path.contains(of.as_str())) {
            let sorry = "Sorry, something went wrong.";
            return refused_answer(&Refused::new(*status, "api_error", None, sorry));
        }
        let told = read(state, request);
        return told.map_or_else(
            |refused| refused_answer(&refused),
            |told| respond(200, &told),
        );
    }
    state.writes += 1;
    let key = Keys::of(request).map(str::to_owned);
    match key
        .as_deref()
        .and_then(|key| state.keys.find(key, request, now))
    {
        Some(Known::Replayed(answer)) => return answer,
        Some(Known::Other) => {
            let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
            return refused_answer(&Refused::new(400, "idempotency_error", None, message));
        }
        None => {}
    }
    let trouble = state.troubles.pop_front();
    let result = match trouble {
        Some(Trouble::KeyInFlight) => {
            let message =
                "There is currently another in-progress request using this Idempotent Key.";
            Err(Refused::new(
                409,
                INVALID,
                Some("idempotency_key_in_use"),
                message,
            ))
        }
        Some(Trouble::Locked) => {
            let message = "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.";
            Err(Refused::new(429, INVALID, Some("lock_timeout"), message))
        }
        Some(Trouble::Declined) => {
            let mut refused = Refused::new(
                402,
                "card_error",
                Some("card_declined"),
                "Your card was declined.",
            );
            refused.error["decline_code"] = json!("generic_decline");
            Err(refused.spent())
        }
        Some(Trouble::StoredError { after }) => {
            let done = match after {
                true => write(state, request, now).map(drop),
                false => Ok(()),
            };
            let sorry =
                || Refused::new(500, "api_error", None, "Sorry, something went wrong.").spent();
            done.and_then(|()| Err(sorry()))
        }
        None => write(state, request, now),
    };
    let stored = result
        .as_ref()
        .map_or_else(|refused| refused.stored, |_| true);
    let answer = match result {
        Ok(told) => respond(200, &told),
        Err(refused) => refused_answer(&refused),
    };
    if let Some(key) = key.filter(|_| stored) {
        state.keys.keep(&key, request, &answer, now);
    }
    answer
}

/// What a key needs for a request.
fn permission(request: &Request) -> Option<&'static str> {
    let path = request.path.split('?').next().unwrap_or_default();
    let write = request.method != Method::Get;
    match path.split('/').nth(2)? {
        "payment_intents" if write => Some("rak_payment_intent_write"),
        "payment_intents" => Some("rak_payment_intent_read"),
        "refunds" if write => Some("rak_refund_write"),
        "refunds" => Some("rak_refund_read"),
        "charges" => Some("rak_charge_read"),
        "disputes" => Some("rak_dispute_read"),
        "events" => Some("rak_event_read"),
        _ => None,
    }
}

fn fields(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn unrecognized(request: &Request) -> Refused {
    let message = format!("Unrecognized request URL ({})", request.label());
    Refused::new(404, INVALID, None, message)
}

fn read(state: &State, request: &Request) -> Result<Value, Refused> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query = fields(query.as_bytes());
    match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["v1", "events"] => list::events(state, &query),
        ["v1", "payment_intents"] => list::intents(state, &query),
        ["v1", "payment_intents", id] => intent(state, id, Expand::of(&query, false)),
        ["v1", "charges", id] => charge(state, id, Expand::of(&query, false)),
        ["v1", "refunds"] => list::refunds(state, &query),
        ["v1", "disputes"] => list::disputes(state, &query),
        _ => Err(unrecognized(request)),
    }
}

fn intent(state: &State, id: &str, expand: Expand) -> Result<Value, Refused> {
    let payment = state.payment(id);
    let payment = payment.ok_or_else(|| Refused::missing("payment_intent", id))?;
    Ok(render::intent(state, payment, expand))
}

fn charge(state: &State, id: &str, expand: Expand) -> Result<Value, Refused> {
    let payments = state
        .by_id
        .values()
        .filter_map(|at| state.payments.get(*at));
    let mut charges = payments.filter_map(|payment| Some((payment, payment.charge.as_ref()?)));
    let found = charges.find(|(_, charge)| charge.id == id);
    let (payment, charge) = found.ok_or_else(|| Refused::missing("charge", id))?;
    Ok(render::charge(state, payment, charge, expand))
}

/// A form, of which every field has to be known.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(request: &Request, known: &[&str]) -> Result<Self, Refused> {
        let form = fields(&request.body);
        let is_known = |name: &str| {
            name == "expand[]" || name.starts_with("metadata[") || known.contains(&name)
        };
        match form.iter().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => {
                let message = format!("Received unknown parameter: {name}");
                Err(Refused::new(400, INVALID, Some("parameter_unknown"), message).of(name))
            }
            None => Ok(Self(form)),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let mut fields = self.0.iter();
        fields
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }

    fn amount(&self, name: &str) -> Result<Option<i64>, Refused> {
        let invalid = || Refused::parameter(name, "Invalid integer");
        let read = |text: String| text.parse().map_err(|_| invalid());
        self.text(name).map(read).transpose()
    }

    fn metadata(&self) -> Result<BTreeMap<String, String>, Refused> {
        let mut metadata = BTreeMap::new();
        for (name, value) in &self.0 {
            let key = name
                .strip_prefix("metadata[")
                .and_then(|rest| rest.strip_suffix(']'));
            let Some(key) = key else { continue };
            if key.len() > 40 || value.chars().count() > 500 {
                return Err(Refused::parameter(
                    name,
                    "Metadata keys have at most 40 characters, values 500.",
                ));
            }
            metadata.insert(key.to_owned(), value.clone());
        }
        Ok(metadata)
    }
}

fn write(state: &mut State, request: &Request, now: i64) -> Result<Value, Refused> {
    match request
        .path
        .split('/')
        .skip(1)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["v1", "payment_intents", id, "capture"] => {
            let form = Form::read(request, &["amount_to_capture", "final_capture"])?;
            let asked = CaptureAsked {
                amount: form.amount("amount_to_capture")?,
                keep_rest: form.text("final_capture").as_deref() == Some("false"),
                metadata: form.metadata()?,
            };
            writes::capture(state, id, asked, now)?;
            intent(state, id, Expand::of(&form.0, false))
        }
        ["v1", "payment_intents", id, "cancel"] => {
            let form = Form::read(request, &["cancellation_reason"])?;
            writes::cancel(state, id, form.text("cancellation_reason"), now)?;
            intent(state, id, Expand::of(&form.0, false))
        }
        ["v1", "refunds"] => {
            let form = Form::read(request, &["payment_intent", "amount", "reason"])?;
            let id = form.text("payment_intent").unwrap_or_default();
            let (amount, metadata) = (form.amount("amount")?, form.metadata()?);
            let made = writes::refund(state, &id, amount, form.text("reason"), metadata, now)?;
            let payment = state.payment(&id);
            let payment = payment.ok_or_else(|| Refused::missing("payment_intent", &id))?;
            let charge = payment.charge.iter();
            let mut refunds = charge.flat_map(|charge| &charge.refunds);
            let refund = refunds.find(|refund| refund.id == made);
            let refund = refund.ok_or_else(|| Refused::missing("refund", &made))?;
            Ok(render::refund(payment, refund))
        }
        _ => Err(unrecognized(request)),
    }
}
