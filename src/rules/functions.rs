//! The functions rules may call: their types for the check, and those of ours at run time.

use std::sync::Arc;

use cel::common::ast::{Expr, IdedExpr, LiteralValue};
use cel::{Context, ExecutionError};
use hikiate_sdk::{Currency, Decimal};

use super::check::Walk;
use super::spell::spell;
use super::types::Type;
use crate::suggest;

/// All there are, the macros included, as they are suggested.
const KNOWN: [&str; 13] = [
    "yen",
    "money",
    "size",
    "matches",
    "startsWith",
    "endsWith",
    "contains",
    "has",
    "exists",
    "all",
    "filter",
    "exists_one",
    "map",
];

impl Walk<'_> {
    /// The type of a function's result.
    pub(super) fn function(
        &mut self,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Type {
        match (name, target, args) {
            ("yen", None, [n]) => {
                let found = self.type_of(n);
                if !Type::Int.fits(&found) {
                    self.problem(format!(
                        "yen({}) needs a whole number, this is {found}",
                        spell(n)
                    ));
                }
                self.in_use(Currency::JPY, &format!("yen({})", spell(n)))
            }
            ("money", None, [code, amount]) => self.money(code, amount),
            ("size", None, [of]) | ("size", Some(of), []) => self.size(of),
            ("matches" | "startsWith" | "endsWith" | "contains", Some(text), [pattern]) => {
                self.text(name, text);
                self.text(name, pattern);
                if name == "matches" {
                    self.pattern(pattern);
                }
                Type::Bool
            }
            _ => {
                // The parts are still looked at, so that one run of `check` shows everything.
                for part in target.into_iter().chain(args) {
                    self.type_of(part);
                }
                let how = usage(name);
                if how.is_empty() {
                    let hint = suggest::hint(name, &KNOWN);
                    self.wrong(format!("{name}(): no such function{hint}"))
                } else {
                    self.wrong(format!("{name}() must be written {how}"))
                }
            }
        }
    }

    fn money(&mut self, code: &IdedExpr, amount: &IdedExpr) -> Type {
        let (Some(code), Some(amount)) = (text_of(code), text_of(amount)) else {
            return self.wrong(format!("money() must be written {}", usage("money")));
        };
        match minor(code, amount) {
            Ok((currency, _)) => self.in_use(currency, &format!("money(\"{code}\", \"{amount}\")")),
            Err(reason) => self.wrong(format!("money(\"{code}\", \"{amount}\"): {reason}")),
        }
    }

    /// An amount in a currency no channel sells in can never be compared with an order's.
    fn in_use(&mut self, currency: Currency, written: &str) -> Type {
        if !self.currencies.is_empty() && !self.currencies.contains(&currency) {
            let known: Vec<&str> = self.currencies.iter().map(Currency::code).collect();
            self.problem(format!(
                "{written}: no channel sells in {currency}, but in {}",
                known.join(", ")
            ));
        }
        Type::Money(Some(currency))
    }

    fn size(&mut self, of: &IdedExpr) -> Type {
        match self.type_of(of) {
            Type::Text | Type::List(_) | Type::Any => Type::Int,
            other => self.wrong(format!(
                "size({}): only text and lists have a size, this is {other}",
                spell(of)
            )),
        }
    }

    fn text(&mut self, name: &str, part: &IdedExpr) {
        let found = self.type_of(part);
        if !Type::Text.fits(&found) {
            self.problem(format!(
                "{}: {name}() works on text, this is {found}",
                spell(part)
            ));
        }
    }

    /// A pattern is fixed text, so that it can be compiled here and not first at night.
    fn pattern(&mut self, part: &IdedExpr) {
        let Some(pattern) = text_of(part) else {
            self.problem(format!(
                "matches({}): write the pattern as text in quotes",
                spell(part)
            ));
            return;
        };
        let mut context = Context::default();
        context.add_variable_from_value("pattern", pattern.to_owned());
        if let Ok(Err(reason)) =
            cel::Program::compile("\"\".matches(pattern)").map(|program| program.execute(&context))
        {
            let reason = reason.to_string();
            let last = reason.lines().last().unwrap_or_default().trim().to_owned();
            self.problem(format!(
                "matches({}): not a regular expression: {last}",
                spell(part)
            ));
        }
    }
}

/// How a function is written; empty for one that does not exist.
fn usage(name: &str) -> &'static str {
    match name {
        "yen" => "yen(100000)",
        "money" => "money(\"EUR\", \"1000.00\") with both in quotes",
        "size" => "lines.size() or size(order.remarks)",
        "matches" => "order.remarks.matches(\"^…$\")",
        "startsWith" => "order.remarks.startsWith(\"…\")",
        "endsWith" => "order.remarks.endsWith(\"…\")",
        "contains" => "order.remarks.contains(\"…\")",
        "has" => "has(order.total)",
        "exists" => "lines.exists(line, line.qty > 9)",
        "all" => "lines.all(line, line.mapped)",
        "exists_one" => "lines.exists_one(line, line.qty > 9)",
        "filter" => "lines.filter(line, line.qty > 9)",
        "map" => "lines.map(line, line.qty)",
        _ => "",
    }
}

fn text_of(part: &IdedExpr) -> Option<&str> {
    match &part.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn minor(code: &str, amount: &str) -> Result<(Currency, i64), String> {
    let currency: Currency = code
        .parse()
        .map_err(|e: hikiate_sdk::MoneyError| e.to_string())?;
    let decimal: Decimal = amount
        .parse()
        .map_err(|e: hikiate_sdk::MoneyError| e.to_string())?;
    match decimal.to_minor(currency).map_err(|e| e.to_string())? {
        (minor, true) => Ok((currency, minor)),
        (_, false) => Err(format!(
            "{currency} has {} decimal places",
            currency.exponent()
        )),
    }
}

/// Adds `yen` and `money` for an order in a currency: an amount in another one cannot be compared with its.
pub(super) fn add_functions(
    context: &mut Context<'_, '_>,
    order: &str,
) -> Result<(), cel::DeclarationError> {
    let of_yen = order.to_owned();
    context.add_function("yen", move |n: i64| same(&of_yen, Currency::JPY, n))?;
    let of_money = order.to_owned();
    context.add_function("money", move |code: Arc<String>, amount: Arc<String>| {
        let (currency, minor) =
            minor(&code, &amount).map_err(|e| ExecutionError::function_error("money", e))?;
        same(&of_money, currency, minor)
    })
}

fn same(order: &str, currency: Currency, minor: i64) -> Result<i64, ExecutionError> {
    if order == currency.code() {
        Ok(minor)
    } else {
        Err(ExecutionError::function_error(
            "currency",
            format!("the order is in {order}, but the rule compares with {currency}"),
        ))
    }
}
