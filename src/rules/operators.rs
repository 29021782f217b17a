//! Types of the operators.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators as op};

use super::check::Walk;
use super::spell::{spell, symbol};
use super::types::Type;

impl Walk<'_> {
    /// The type of an operator's result; `None` when `func` is no operator.
    pub(super) fn operator(
        &mut self,
        func: &str,
        args: &[IdedExpr],
        part: &IdedExpr,
    ) -> Option<Type> {
        Some(match (func, args) {
            (op::LOGICAL_AND | op::LOGICAL_OR, [a, b]) => {
                self.truth(a);
                self.truth(b);
                Type::Bool
            }
            (op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, [a]) => {
                self.truth(a);
                Type::Bool
            }
            (op::CONDITIONAL, [cond, a, b]) => {
                self.truth(cond);
                let (left, right) = (self.type_of(a), self.type_of(b));
                if left.fits(&right) {
                    left.narrowed(right)
                } else {
                    self.wrong(format!(
                        "{}: one side is {left}, the other {right}",
                        spell(part)
                    ))
                }
            }
            (op::EQUALS | op::NOT_EQUALS, [a, b]) => self.comparison(func, a, b, false),
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [a, b]) => {
                self.comparison(func, a, b, true)
            }
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [a, b]) => {
                self.arithmetic(func, a, b)
            }
            (op::NEGATE, [a]) => match self.type_of(a) {
                found @ (Type::Int | Type::Money(_) | Type::Any) => found,
                other => self.wrong(format!("-{0}: {0} is {other}", spell(a))),
            },
            (op::IN, [a, b]) => self.membership(a, b),
            (op::INDEX, [a, b]) => self.index(a, b),
            (op::OPT_INDEX | op::OPT_SELECT, _) => {
                self.wrong("?: optional access is not part of rules".to_owned())
            }
            _ => return None,
        })
    }

    fn truth(&mut self, part: &IdedExpr) {
        let found = self.type_of(part);
        if !Type::Bool.fits(&found) {
            self.problem(format!(
                "{} is {found}; expected true or false",
                spell(part)
            ));
        }
    }

    fn comparison(&mut self, func: &str, a: &IdedExpr, b: &IdedExpr, ordered: bool) -> Type {
        let (left, right) = (self.type_of(a), self.type_of(b));
        let sign = symbol(func).unwrap_or(func);
        let (l, r) = (spell(a), spell(b));
        match (&left, &right) {
            (Type::Any, _) | (_, Type::Any) => {}
            (Type::Null, _) | (_, Type::Null) => {
                let name = if left == Type::Null { r } else { l };
                self.problem(format!(
                    "{name} {sign} null: values are never null; use has({name})"
                ));
            }
            (Type::Money(_), Type::Int) => self.problem(amount_with_number(&l, b)),
            (Type::Int, Type::Money(_)) => self.problem(amount_with_number(&r, a)),
            (Type::Money(_), Type::Money(_)) if !left.fits(&right) => {
                self.problem(format!("{l} {sign} {r}: {left} is compared with {right}"));
            }
            _ if !left.fits(&right) => {
                self.problem(format!(
                    "{l} {sign} {r}: {l} is {left}, {r} is {right}; they cannot be compared"
                ));
            }
            (Type::Object(_) | Type::List(_), _) => {
                self.problem(format!("{l} {sign} {r}: compare single fields, not {left}"));
            }
            (Type::Bool, _) if ordered => {
                self.problem(format!("{l} {sign} {r}: true and false have no order"))
            }
            _ => {}
        }
        Type::Bool
    }

    fn arithmetic(&mut self, func: &str, a: &IdedExpr, b: &IdedExpr) -> Type {
        let (left, right) = (self.type_of(a), self.type_of(b));
        match (func, &left, &right) {
            (_, Type::Any, _) => right,
            (_, _, Type::Any) | (_, Type::Int, Type::Int) | (op::ADD, Type::Text, Type::Text) => {
                left
            }
            (op::ADD | op::SUBSTRACT, Type::Money(_), Type::Money(_)) if left.fits(&right) => {
                left.narrowed(right)
            }
            (op::ADD, Type::List(_), Type::List(_)) if left.fits(&right) => left.narrowed(right),
            (op::MULTIPLY | op::DIVIDE, Type::Money(_), Type::Int) => left,
            (op::MULTIPLY, Type::Int, Type::Money(_)) => right,
            (op::ADD | op::SUBSTRACT, Type::Money(_), Type::Int) => {
                self.wrong(amount_with_number(&spell(a), b))
            }
            (op::ADD | op::SUBSTRACT, Type::Int, Type::Money(_)) => {
                self.wrong(amount_with_number(&spell(b), a))
            }
            _ => {
                let sign = symbol(func).unwrap_or(func);
                self.wrong(format!(
                    "{} {sign} {}: {left} {sign} {right} has no meaning",
                    spell(a),
                    spell(b)
                ))
            }
        }
    }

    fn membership(&mut self, a: &IdedExpr, b: &IdedExpr) -> Type {
        let (item, list) = (self.type_of(a), self.type_of(b));
        match &list {
            Type::Any => {}
            Type::List(of) if of.fits(&item) => {}
            Type::List(of) if matches!((&item, &**of), (Type::Money(_), Type::Int)) => {
                self.problem(format!(
                    "{}: {} is an amount; write the list with yen(…) or money(…)",
                    spell(b),
                    spell(a)
                ));
            }
            Type::List(of) => self.problem(format!(
                "{} is {item}, but {} is a list of {of}",
                spell(a),
                spell(b)
            )),
            Type::Text => self.problem(format!(
                "{0} in {1}: {1} is text; write {1}.contains({0})",
                spell(a),
                spell(b)
            )),
            other => self.problem(format!("{}: in needs a list, this is {other}", spell(b))),
        }
        Type::Bool
    }

    fn index(&mut self, a: &IdedExpr, b: &IdedExpr) -> Type {
        let (of, key) = (self.type_of(a), self.type_of(b));
        match (of, key, &b.expr) {
            (Type::Any, _, _) => Type::Any,
            (Type::List(of), Type::Int | Type::Any, _) => *of,
            (of @ Type::Object(_), _, Expr::Literal(LiteralValue::String(name))) => {
                self.field(&of, a, name.inner())
            }
            (of, key, _) => self.wrong(format!(
                "{}[{}]: {of} cannot be indexed by {key}",
                spell(a),
                spell(b)
            )),
        }
    }
}

fn amount_with_number(amount: &str, number: &IdedExpr) -> String {
    let number = spell(number);
    format!(
        "{amount} is an amount and {number} is a plain number; write yen({number}) or money(\"EUR\", \"{number}\")"
    )
}
