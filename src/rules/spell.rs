//! Writes a part of an expression the way an operator wrote it, for messages.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators as op};

/// The part in words, at most 80 characters.
pub(super) fn spell(part: &IdedExpr) -> String {
    let text = written(part, 0);
    if text.chars().count() <= 80 {
        text
    } else {
        text.chars().take(79).chain(['…']).collect()
    }
}

fn written(part: &IdedExpr, depth: usize) -> String {
    if depth > 8 {
        return "…".to_owned();
    }
    let sub = |part: &IdedExpr| written(part, depth + 1);
    let list = |parts: &[IdedExpr]| parts.iter().map(sub).collect::<Vec<_>>().join(", ");
    match &part.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Literal(value) => literal(value),
        Expr::Select(select) if select.test => {
            format!("has({}.{})", sub(&select.operand), select.field)
        }
        Expr::Select(select) => format!("{}.{}", sub(&select.operand), select.field),
        Expr::List(items) => format!("[{}]", list(&items.elements)),
        Expr::Call(call) => match (&call.target, call.args.as_slice()) {
            (Some(target), args) => format!("{}.{}({})", sub(target), call.func_name, list(args)),
            (None, [a, b]) if call.func_name == op::INDEX => format!("{}[{}]", sub(a), sub(b)),
            (None, [a, b]) => match symbol(&call.func_name) {
                Some(symbol) => format!("{} {symbol} {}", sub(a), sub(b)),
                None => format!("{}({})", call.func_name, list(&call.args)),
            },
            (None, [a]) if call.func_name == op::LOGICAL_NOT => format!("!{}", sub(a)),
            (None, [a]) if call.func_name == op::NEGATE => format!("-{}", sub(a)),
            (None, [a, b, c]) if call.func_name == op::CONDITIONAL => {
                format!("{} ? {} : {}", sub(a), sub(b), sub(c))
            }
            (None, args) => format!("{}({})", call.func_name, list(args)),
        },
        Expr::Comprehension(over) => format!("{}.…({}, …)", sub(&over.iter_range), over.iter_var),
        Expr::Map(_) | Expr::Struct(_) => "{…}".to_owned(),
        Expr::Unspecified => "…".to_owned(),
    }
}

/// The sign of a two-sided operator.
pub(super) fn symbol(func: &str) -> Option<&'static str> {
    Some(match func {
        op::LOGICAL_AND => "&&",
        op::LOGICAL_OR => "||",
        op::EQUALS => "==",
        op::NOT_EQUALS => "!=",
        op::LESS => "<",
        op::LESS_EQUALS => "<=",
        op::GREATER => ">",
        op::GREATER_EQUALS => ">=",
        op::ADD => "+",
        op::SUBSTRACT => "-",
        op::MULTIPLY => "*",
        op::DIVIDE => "/",
        op::MODULO => "%",
        op::IN => "in",
        _ => return None,
    })
}

fn literal(value: &LiteralValue) -> String {
    match value {
        LiteralValue::Boolean(b) => b.inner().to_string(),
        LiteralValue::Int(i) => i.inner().to_string(),
        LiteralValue::UInt(u) => format!("{}u", u.inner()),
        LiteralValue::Double(d) => d.inner().to_string(),
        LiteralValue::String(s) => format!("{:?}", s.inner()),
        LiteralValue::Bytes(_) => "b\"…\"".to_owned(),
        LiteralValue::Null => "null".to_owned(),
    }
}
