//! Types of the expression language as far as hold rules need them; money is a type of its own.

use std::fmt;

use hikiate_sdk::Currency;

/// The type of a part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// An amount; `None` is in the order's own currency.
    Money(Option<Currency>),
    /// A list.
    List(Box<Self>),
    /// An object of the rule context, by its name in the schema.
    Object(String),
    /// `null`.
    Null,
    /// Something about which a problem was already reported, or an element of an empty list.
    Any,
}

impl Type {
    /// True when one may stand where the other is wanted.
    pub(super) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Money(a), Self::Money(b)) => a.is_none() || b.is_none() || a == b,
            (Self::List(a), Self::List(b)) => a.fits(b),
            (a, b) => a == b,
        }
    }

    /// The more exact of two types that fit.
    pub(super) fn narrowed(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any | Self::Money(None), other) => other,
            (Self::List(a), Self::List(b)) => Self::List(Box::new((*a).narrowed(*b))),
            (a, _) => a,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Int => f.write_str("a number"),
            Self::Text => f.write_str("text"),
            Self::Money(None) => f.write_str("an amount"),
            Self::Money(Some(currency)) => write!(f, "an amount in {currency}"),
            Self::List(of) => match &**of {
                Self::Any => f.write_str("a list"),
                of => write!(f, "a list of {of}"),
            },
            Self::Object(name) => write!(
                f,
                "an object ({})",
                name.trim_start_matches("Rule").to_lowercase()
            ),
            Self::Null => f.write_str("null"),
            Self::Any => f.write_str("anything"),
        }
    }
}
