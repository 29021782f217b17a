//! Objects of the API, of which only what is used is read, field by field: what is wrong is told by the field's name and never
//! by its value.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version of the API that this connector was written against, asked for with each call. An account's own version may
/// be another.
pub(crate) const VERSION: &str = "2025-01-27.acacia";

/// A page of a list, newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct List {
    /// Its objects.
    pub(crate) data: Vec<Value>,
    /// Older ones follow.
    pub(crate) has_more: bool,
}

/// A payment with everything that belongs to it: what is kept of a reading, to be read again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bundle {
    /// The PaymentIntent with its charge and that charge's latest refunds inside; a charge that has none, where one was asked for.
    pub(crate) intent: Value,
    /// The refunds that did not fit in there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refunds: Vec<Value>,
    /// Its disputes, where the charge has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) disputes: Vec<Value>,
    /// Why its refunds are not known in full: a permission that the key lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refunds_unread: Option<String>,
    /// The id of the charge under which it is reported, where that is not the PaymentIntent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) charge: Option<String>,
    /// Why its disputes are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) disputes_unread: Option<String>,
    /// Why nothing of it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unread: Option<String>,
}

/// An object of the API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a>(pub(crate) &'a Value);

impl Bundle {
    /// As it was read.
    pub(crate) fn of(intent: Value) -> Self {
        Self {
            intent,
            refunds: Vec::new(),
            disputes: Vec::new(),
            refunds_unread: None,
            charge: None,
            disputes_unread: None,
            unread: None,
        }
    }

    /// One of which nothing could be read, by the id that it was asked for by, and why.
    pub(crate) fn unread(id: &str, why: &str) -> Self {
        let (intent, charge) = match is_charge(id) {
            true => (json!({}), Some(id.to_owned())),
            false => (json!({ "id": id }), None),
        };
        Self {
            charge,
            unread: Some(why.to_owned()),
            ..Self::of(intent)
        }
    }

    /// The same under the id of its charge; `None` where nobody has tried to pay.
    pub(crate) fn by_charge(&self) -> Option<Self> {
        let charge = Object(&self.intent).id_of("latest_charge")?;
        Some(Self {
            charge: Some(charge.to_owned()),
            ..self.clone()
        })
    }
}

impl<'a> Object<'a> {
    fn field(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text; `None` where it is absent or null.
    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, String> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| format!("{name}: not a text"));
        self.field(name).map(text).transpose()
    }

    /// A whole number; `None` where it is absent or null.
    pub(crate) fn whole(self, name: &str) -> Result<Option<i64>, String> {
        let whole = |value: &Value| {
            value
                .as_i64()
                .ok_or_else(|| format!("{name}: not a whole number"))
        };
        self.field(name).map(whole).transpose()
    }

    /// True, false, or absent.
    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, String> {
        let flag = |value: &Value| {
            value
                .as_bool()
                .ok_or_else(|| format!("{name}: neither true nor false"))
        };
        self.field(name).map(flag).transpose()
    }

    /// An object inside; `None` for anything else, also for the mere id of one that was not expanded.
    pub(crate) fn inner(self, name: &str) -> Option<Object<'a>> {
        self.field(name)
            .filter(|value| value.is_object())
            .map(Object)
    }

    /// Whether there is anything, were it the mere id.
    pub(crate) fn has(self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// Refuses an object without one of these fields, which Stripe always tells, if only as null: it is not known then.
    pub(crate) fn shows(self, names: &[&str]) -> Result<(), String> {
        match names.iter().find(|name| self.0.get(**name).is_none()) {
            Some(name) => Err(format!("{name}: missing")),
            None => Ok(()),
        }
    }

    /// The objects of a list inside.
    pub(crate) fn list(self, name: &str) -> Option<impl Iterator<Item = Object<'a>>> {
        let list = self.field(name)?.get("data")?.as_array()?;
        Some(list.iter().map(Object))
    }

    /// All objects inside, by whatever name.
    pub(crate) fn inners(self) -> impl Iterator<Item = Object<'a>> {
        let fields = self.0.as_object().into_iter().flatten();
        fields
            .map(|(_, value)| Object(value))
            .filter(|inner| inner.0.is_object())
    }

    /// The id of an object, expanded or not.
    pub(crate) fn id_of(self, name: &str) -> Option<&'a str> {
        let value = self.field(name)?;
        value.as_str().or_else(|| value.get("id")?.as_str())
    }
}

/// A value that a record cannot do without.
pub(crate) fn need<T>(name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{name}: missing"))
}

/// The PaymentIntent that an event or an object is about; `None` for all others.
pub(crate) fn intent_of(object: Object<'_>) -> Option<&str> {
    let id = match object.0.get("object")?.as_str()? {
        "payment_intent" => object.0.get("id")?.as_str()?,
        "charge" | "refund" | "dispute" | "review" => object.id_of("payment_intent")?,
        _ => return None,
    };
    is_intent(id).then_some(id)
}

/// The id of a PaymentIntent: what may stand in a path as it is.
#[must_use]
pub(crate) fn is_intent(id: &str) -> bool {
    is_id(id, "pi_")
}

/// The id of a charge, by whatever way to pay (docs.stripe.com/api/charges/object).
#[must_use]
pub(crate) fn is_charge(id: &str) -> bool {
    is_id(id, "ch_") || is_id(id, "py_")
}

fn is_id(id: &str, prefix: &str) -> bool {
    id.len() <= 255
        && id.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}
