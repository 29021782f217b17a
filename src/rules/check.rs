//! The type check of a hold rule: a walk over the expression's syntax tree against the field table.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue};
use hikiate_sdk::Currency;

use super::schema::Fields;
use super::spell::spell;
use super::types::Type;
use crate::suggest;

/// Deeper expressions are refused, so that neither this walk nor the evaluation can run out of stack.
const MAX_DEPTH: usize = 64;
/// `exists` inside `exists` is the most; the work of a rule grows by a factor of the lines with each.
const MAX_NESTED: usize = 2;

/// What the walk found out about an expression.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Everything that is wrong, as sentences.
    pub(super) problems: Vec<String>,
    /// The rule is evaluated once per delivery group.
    pub(super) names_group: bool,
    /// How deep `exists` and the like are inside one another.
    pub(super) nested: usize,
}

/// Checks an expression; its result has to be true or false.
pub(super) fn check(expression: &IdedExpr, fields: &Fields, currencies: &[Currency]) -> Found {
    let mut walk = Walk {
        fields,
        currencies,
        scope: Vec::new(),
        nested: 0,
        depth: 0,
        found: Found::default(),
    };
    let result = walk.type_of(expression);
    if !Type::Bool.fits(&result) {
        walk.problem(format!(
            "{} is {result}, but a rule must be true or false; compare it with something",
            spell(expression)
        ));
    }
    walk.found
}

/// The state of the walk.
pub(super) struct Walk<'a> {
    fields: &'a Fields,
    pub(super) currencies: &'a [Currency],
    scope: Vec<(String, Type)>,
    nested: usize,
    depth: usize,
    found: Found,
}

impl Walk<'_> {
    /// Notes something wrong, once.
    pub(super) fn problem(&mut self, message: String) {
        if !self.found.problems.contains(&message) {
            self.found.problems.push(message);
        }
    }

    /// Notes something wrong and goes on with a type that fits everywhere.
    pub(super) fn wrong(&mut self, message: String) -> Type {
        self.problem(message);
        Type::Any
    }

    /// The type of a part; problems inside it are noted.
    pub(super) fn type_of(&mut self, part: &IdedExpr) -> Type {
        if self.depth >= MAX_DEPTH {
            return self.wrong(format!("the expression is nested deeper than {MAX_DEPTH} levels; split it into several rules"));
        }
        self.depth += 1;
        let found = match &part.expr {
            Expr::Literal(value) => self.literal(value, part),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => {
                let of = self.type_of(&select.operand);
                let field = self.field(&of, &select.operand, &select.field);
                if select.test { Type::Bool } else { field }
            }
            Expr::List(list) => self.list(&list.elements),
            Expr::Call(call) => self.call(call, part),
            Expr::Comprehension(over) => self.comprehension(over),
            Expr::Map(_) | Expr::Struct(_) => self.wrong(
                "{…}: rules have no maps; use a list, or a comparison for each case".to_owned(),
            ),
            Expr::Unspecified => self.wrong("a part of the expression is empty".to_owned()),
        };
        self.depth -= 1;
        found
    }

    fn literal(&mut self, value: &LiteralValue, part: &IdedExpr) -> Type {
        match value {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Int(_) => Type::Int,
            LiteralValue::String(_) => Type::Text,
            LiteralValue::Null => Type::Null,
            LiteralValue::Double(_) => self.wrong(format!(
                "{}: rules have no decimal numbers; write an amount as money(\"EUR\", \"10.50\")",
                spell(part)
            )),
            LiteralValue::UInt(n) => self.wrong(format!("{0}u: write {0}", n.inner())),
            LiteralValue::Bytes(_) => {
                self.wrong("b\"…\": rules have no bytes; write text as \"…\"".to_owned())
            }
        }
    }

    fn ident(&mut self, name: &str) -> Type {
        if let Some((_, of)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return of.clone();
        }
        if let Some(of) = self.fields.variable(name) {
            self.found.names_group |= name == "group";
            return of.clone();
        }
        let known: Vec<&str> = self
            .fields
            .variables()
            .into_iter()
            .chain(
                self.scope
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .filter(|name| !name.starts_with('@')),
            )
            .collect();
        let hint = suggest::hint(name, &known);
        self.wrong(format!("{name}: no such name{hint}"))
    }

    /// The type of a field of something.
    pub(super) fn field(&mut self, of: &Type, operand: &IdedExpr, field: &str) -> Type {
        match of {
            Type::Any => Type::Any,
            Type::Object(object) => match self.fields.field(object, field) {
                Some(found) => found.clone(),
                None => {
                    let hint = suggest::hint(field, &self.fields.names(object));
                    self.wrong(format!("{}.{field}: no such name{hint}", spell(operand)))
                }
            },
            Type::List(_) => self.wrong(format!(
                "{0}.{field}: {0} is a list; write {0}.exists(x, x.{field} …)",
                spell(operand)
            )),
            other => self.wrong(format!(
                "{0}.{field}: {0} is {other} and has no {field}",
                spell(operand)
            )),
        }
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Type {
        let mut of = Type::Any;
        for element in elements {
            let found = self.type_of(element);
            if of.fits(&found) {
                of = of.narrowed(found);
            } else {
                self.problem(format!(
                    "{} in a list of {of} is {found}; all elements must have the same type",
                    spell(element)
                ));
            }
        }
        Type::List(Box::new(of))
    }

    fn comprehension(&mut self, over: &ComprehensionExpr) -> Type {
        let range = self.type_of(&over.iter_range);
        let element = match range {
            Type::List(of) => *of,
            Type::Any => Type::Any,
            other => self.wrong(format!(
                "{}: exists, all and filter need a list, this is {other}",
                spell(&over.iter_range)
            )),
        };
        if self.nested >= MAX_NESTED {
            return self.wrong(format!(
                "exists, all or filter nested more than {MAX_NESTED} deep; split it into several rules"
            ));
        }
        self.nested += 1;
        self.found.nested = self.found.nested.max(self.nested);
        let accumulated = self.type_of(&over.accu_init);
        let start = self.scope.len();
        self.scope.push((over.iter_var.clone(), element));
        if let Some(second) = &over.iter_var2 {
            self.scope.push((second.clone(), Type::Any));
        }
        self.scope
            .push((over.accu_var.clone(), accumulated.clone()));
        self.type_of(&over.loop_cond);
        let step = self.type_of(&over.loop_step);
        let accumulated = if accumulated.fits(&step) {
            accumulated.narrowed(step)
        } else {
            accumulated
        };
        if let Some(last) = self.scope.last_mut() {
            last.1 = accumulated;
        }
        let result = self.type_of(&over.result);
        self.scope.truncate(start);
        self.nested -= 1;
        result
    }

    fn call(&mut self, call: &CallExpr, part: &IdedExpr) -> Type {
        match (&call.target, call.args.as_slice()) {
            (None, args) => match self.operator(&call.func_name, args, part) {
                Some(found) => found,
                None => self.function(&call.func_name, None, args),
            },
            (Some(target), args) => self.function(&call.func_name, Some(target), args),
        }
    }
}
