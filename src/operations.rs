//! One table of the operations: what the planner, the queue, the checks of the configuration and the documents have to know
//! of each. What a connector can do of one is its own declaration ([`hikiate_sdk::OperationSpec`]).

use std::borrow::Cow;
use std::fmt::Write as _;

use hikiate_sdk::{Op, OperationSpec, Operations};

use crate::facts::IntentWhat;

/// The rule that reports goods to a channel.
pub const NOTICE: &str = "notice";
/// The rule that captures.
pub const CAPTURE: &str = "capture";
/// The rule that gives money back and releases authorisations, as an operator decided.
pub const REFUND: &str = "refund";
/// The rule that shows a channel's staff what holds an order.
pub const ANNOTATE: &str = "annotate";
/// The rules that send mails; each kind has its own, `mail:shipped`.
pub const MAIL: &str = "mail";

/// Urgency of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Money and cancels.
    Money = 0,
    /// Goods and notices.
    Goods = 1,
    /// Mails and notes for staff.
    Last = 2,
}

impl Lane {
    /// The lane of an operation.
    #[must_use]
    pub fn of(op: Op) -> Self {
        of(op).lane
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Money => "money and cancels",
            Self::Goods => "goods and notices",
            Self::Last => "mails and notes",
        }
    }
}

/// What sort of account carries an operation out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The order's channel.
    Channel,
    /// A warehouse.
    Warehouse,
    /// Where a payment is captured.
    Payments,
    /// The account for mails.
    Mail,
    /// The books.
    Books,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Warehouse => "warehouse",
            Self::Payments => "payments",
            Self::Mail => "mail",
            Self::Books => "books",
        }
    }
}

/// What an operation moves. Whatever moves something stops its order while its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// Money.
    Money,
    /// Goods, or what the channel shows of them.
    Goods,
    /// Nothing: the order goes on, and a task says what is unknown.
    Nothing,
}

impl Moves {
    fn as_str(self) -> &'static str {
        match self {
            Self::Money => "money",
            Self::Goods => "goods",
            Self::Nothing => "nothing",
        }
    }
}

/// What hikiate itself has to know of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which.
    pub op: Op,
    /// What sort of account is asked.
    pub role: Role,
    /// The rule that makes it, as epochs, `hikiate automation list` and releases name it.
    pub rule: &'static str,
    /// Urgency in the queue of an account.
    pub lane: Lane,
    /// Among what one order wants of one account at once, the lowest is queued first.
    pub turn: u8,
    /// What it moves.
    pub moves: Moves,
    /// Operations of the same order and account whose unknown outcome stops it.
    pub blocked_by: &'static [Op],
    /// Those of other accounts stop it too.
    pub blocked_everywhere: bool,
    /// Goes out as a sealed batch with many orders in it: one call, which no pause of a rule takes apart.
    pub batch: bool,
    /// Rendered from the personal data of the order when it is claimed; every other call has what it needs in its intent.
    pub personal: bool,
}

const INSTRUCT: Operation = Operation {
    op: Op::Instruct,
    role: Role::Warehouse,
    rule: "instruct",
    lane: Lane::Goods,
    turn: 1,
    moves: Moves::Goods,
    blocked_by: &[],
    blocked_everywhere: false,
    batch: true,
    personal: false,
};

const CANCEL_INSTRUCTION: Operation = Operation {
    op: Op::CancelInstruction,
    role: Role::Warehouse,
    rule: "cancel",
    lane: Lane::Money,
    turn: 0,
    moves: Moves::Goods,
    blocked_by: &[Op::CancelInstruction, Op::Instruct],
    blocked_everywhere: false,
    batch: false,
    personal: false,
};

const FULFIL: Operation = Operation {
    op: Op::Fulfil,
    role: Role::Channel,
    rule: NOTICE,
    lane: Lane::Goods,
    turn: 1,
    moves: Moves::Goods,
    blocked_by: &[Op::Fulfil, Op::Ship, Op::CancelOrder],
    blocked_everywhere: false,
    batch: false,
    personal: false,
};

const SHIP: Operation = Operation {
    op: Op::Ship,
    ..FULFIL
};

const CAPTURE_PAYMENT: Operation = Operation {
    op: Op::Capture,
    role: Role::Payments,
    rule: CAPTURE,
    lane: Lane::Money,
    turn: 2,
    moves: Moves::Money,
    blocked_by: &[Op::Capture, Op::Refund, Op::Void, Op::CancelOrder],
    blocked_everywhere: false,
    batch: false,
    personal: false,
};

const CANCEL_ORDER: Operation = Operation {
    op: Op::CancelOrder,
    role: Role::Channel,
    rule: "cancel",
    lane: Lane::Money,
    turn: 0,
    moves: Moves::Money,
    blocked_by: &[
        Op::CancelOrder,
        Op::Capture,
        Op::Refund,
        Op::Void,
        Op::Fulfil,
        Op::Ship,
        Op::Instruct,
        Op::CancelInstruction,
    ],
    blocked_everywhere: true,
    batch: false,
    personal: false,
};

const SEND_MAIL: Operation = Operation {
    op: Op::Mail,
    role: Role::Mail,
    rule: MAIL,
    lane: Lane::Last,
    turn: 3,
    moves: Moves::Nothing,
    blocked_by: &[],
    blocked_everywhere: false,
    batch: false,
    personal: true,
};

const POST_JOURNAL: Operation = Operation {
    op: Op::PostJournal,
    role: Role::Books,
    rule: "booking",
    lane: Lane::Goods,
    turn: 1,
    moves: Moves::Money,
    blocked_by: &[],
    blocked_everywhere: false,
    batch: true,
    personal: false,
};

/// The lowest of all: whatever else the order wants of its channel goes first, and takes back a note that was not sent yet.
const ANNOTATE_ORDER: Operation = Operation {
    op: Op::Annotate,
    role: Role::Channel,
    rule: ANNOTATE,
    lane: Lane::Last,
    turn: 4,
    moves: Moves::Nothing,
    blocked_by: &[],
    blocked_everywhere: false,
    batch: false,
    personal: false,
};

/// A full refund or a void waits for goods too, and a partial refund does not: the planner tells them apart
/// (`plan::refund`), so no instruction is named here.
const REFUND_PAYMENT: Operation = Operation {
    op: Op::Refund,
    role: Role::Payments,
    rule: REFUND,
    lane: Lane::Money,
    turn: 1,
    moves: Moves::Money,
    blocked_by: &[Op::Capture, Op::Refund, Op::Void, Op::CancelOrder],
    blocked_everywhere: true,
    batch: false,
    personal: false,
};

const VOID_PAYMENT: Operation = Operation {
    op: Op::Void,
    ..REFUND_PAYMENT
};

/// It moves no money, so an unknown one stops nothing but the next record of its order, which the planner sees to.
const RECORD_REFUND: Operation = Operation {
    op: Op::RecordRefund,
    role: Role::Channel,
    moves: Moves::Nothing,
    ..REFUND_PAYMENT
};

/// The row of an operation.
#[must_use]
pub fn of(op: Op) -> &'static Operation {
    match op {
        Op::Instruct => &INSTRUCT,
        Op::CancelInstruction => &CANCEL_INSTRUCTION,
        Op::Fulfil => &FULFIL,
        Op::Ship => &SHIP,
        Op::Capture => &CAPTURE_PAYMENT,
        Op::CancelOrder => &CANCEL_ORDER,
        Op::Mail => &SEND_MAIL,
        Op::PostJournal => &POST_JOURNAL,
        Op::Annotate => &ANNOTATE_ORDER,
        Op::Refund => &REFUND_PAYMENT,
        Op::Void => &VOID_PAYMENT,
        Op::RecordRefund => &RECORD_REFUND,
    }
}

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    Op::ALL.into_iter().map(of)
}

/// The operations that a rule makes.
#[must_use]
pub fn of_rule(rule: &str) -> Vec<Op> {
    all()
        .filter(|row| row.rule == rule)
        .map(|row| row.op)
        .collect()
}

/// The operations that an account of a sort is asked for.
#[must_use]
pub fn of_role(role: Role) -> Vec<Op> {
    all()
        .filter(|row| row.role == role)
        .map(|row| row.op)
        .collect()
}

/// True for what an account may leave out: a channel with one call for what is packed and shipped offers `ship` alone, and
/// packing counts as done without a call.
#[must_use]
pub fn goes_without(op: Op, offered: impl Fn(Op) -> bool) -> bool {
    op == Op::Fulfil && !offered(Op::Fulfil) && offered(Op::Ship)
}

/// The code of the outcome of what an account goes without: it was not called.
pub const NOT_NEEDED: &str = "not_needed";

/// Most members of a sealed batch of an operation, as its account declares.
#[must_use]
pub fn members(operations: &dyn Operations, op: Op) -> u32 {
    let mut offered = operations.operations().into_iter();
    offered
        .find(|spec| spec.op == op)
        .map_or(OperationSpec::ANY, |spec| spec.members.max(1))
}

/// The rule that makes an intent, as a pause names it. What goes out in sealed batches has none: allocation grants it
/// unit by unit.
#[must_use]
pub fn automation_of(op: Op, what: &IntentWhat) -> Option<Cow<'static, str>> {
    let row = of(op);
    match what {
        _ if row.batch => None,
        IntentWhat::Mail { kind } => Some(Cow::Owned(format!("{}:{}", row.rule, kind.as_str()))),
        _ => Some(Cow::Borrowed(row.rule)),
    }
}

/// The table as `docs/connectors.md` has it.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "| operation | asked of | rule | lane | moves | waits while unknown | batch | personal data |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in all() {
        let blocked: Vec<String> = row.blocked_by.iter().map(|op| format!("`{op}`")).collect();
        let blocked = match (blocked.is_empty(), row.blocked_everywhere) {
            (true, _) => "-".to_owned(),
            (false, true) => format!("{} of any account", blocked.join(", ")),
            (false, false) => blocked.join(", "),
        };
        let yes = |is: bool| if is { "yes" } else { "-" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | `{}` | {} | {} | {blocked} | {} | {} |",
            row.op,
            row.role.as_str(),
            row.rule,
            row.lane.as_str(),
            row.moves.as_str(),
            yes(row.batch),
            yes(row.personal),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::MailKind;

    #[test]
    fn each_row_is_found_under_its_operation() {
        for op in Op::ALL {
            assert_eq!(of(op).op, op);
        }
        assert_eq!(of_rule(NOTICE), [Op::Fulfil, Op::Ship]);
        assert_eq!(
            of_role(Role::Warehouse),
            [Op::Instruct, Op::CancelInstruction]
        );
    }

    #[test]
    fn a_rule_is_named_by_what_it_makes() {
        let mail = IntentWhat::Mail {
            kind: MailKind::Shipped,
        };
        assert_eq!(
            automation_of(Op::Mail, &mail).as_deref(),
            Some("mail:shipped")
        );
        let batch = IntentWhat::Batch {
            batch: String::new(),
        };
        assert_eq!(automation_of(Op::Instruct, &batch), None);
        assert_eq!(
            automation_of(Op::Capture, &batch).as_deref(),
            Some("capture")
        );
    }

    #[test]
    fn what_moves_money_never_waits_for_a_mail() {
        for row in all() {
            let mails = row
                .blocked_by
                .iter()
                .any(|op| of(*op).moves == Moves::Nothing);
            assert!(!mails, "{}", row.op);
        }
    }

    #[test]
    fn the_documents_have_this_table() {
        let document = include_str!("../docs/connectors.md");
        let want = table();
        assert!(
            document.contains(&want),
            "docs/connectors.md should have:\n{want}"
        );
    }
}
