//! What an operator may type about a task: a command with its arguments, stored and told as data.

use serde::{Deserialize, Serialize};

/// A command that settles a task or helps to. What it is about (the number of the order or batch, the account) is
/// the task's subject and not repeated. Stored as `{"command": …, "args": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", content = "args")]
pub enum Action {
    /// Let go of an order, or send a refused batch again.
    #[serde(rename = "order release")]
    Release {
        /// One rule or gate; `None` for every open hold, and for a batch.
        rule: Option<String>,
    },
    /// Cancel an order.
    #[serde(rename = "order cancel")]
    Cancel {},
    /// Look at all facts of an order or batch.
    #[serde(rename = "order show")]
    Show {},
    /// Tell of money that came for an order.
    #[serde(rename = "deposit add")]
    AddDeposit {},
    /// Give money back.
    #[serde(rename = "order refund")]
    Refund {
        /// How much, in the order's currency and as the command takes it.
        amount: String,
    },
    /// Give the tax rate of an amount whose rate the channel does not tell.
    #[serde(rename = "order tax")]
    TaxRate {
        /// The line, or the kind of an amount of the whole order.
        line: String,
    },
    /// Have the codes that no item is known for written into a file to fill in.
    #[serde(rename = "item unmapped")]
    MapCodes {
        /// The channel's account.
        channel: String,
        /// Its codes.
        codes: Vec<String>,
        /// There is no mapping file that they could be written for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        same_code: bool,
    },
    /// Write another name of the receiver, until the channel tells another one.
    #[serde(rename = "order set-name")]
    SetName {},
    /// Say what a refund is that only the payment provider knows of.
    #[serde(rename = "order refund-is")]
    ExplainRefund {
        /// The provider's id of it.
        refund: String,
    },
    /// Look at the deposits that nobody has placed.
    #[serde(rename = "deposit list")]
    ListDeposits {},
    /// Say what was seen about a call whose outcome is unknown.
    #[serde(rename = "effect resolve")]
    ResolveEffect {
        /// Its row.
        effect: i64,
    },
    /// Look at what is queued.
    #[serde(rename = "effect list")]
    ListEffects {},
    /// Say that a warehouse has a shipment that the database has lost.
    #[serde(rename = "recover --instructed")]
    Instructed {},
    /// See what going on after the database was set back would do.
    #[serde(rename = "recover --lost-since")]
    Recover {},
    /// Say that the switch to this database server lost nothing.
    #[serde(rename = "recover --nothing-lost")]
    NothingLost {},
    /// Say that the lost window's journals were taken out of the books.
    #[serde(rename = "recover --books-cleared")]
    BooksCleared {},
    /// Look at a record that could not be read.
    #[serde(rename = "quarantine show")]
    ShowQuarantined {
        /// Its row.
        id: i64,
    },
    /// Have it read again.
    #[serde(rename = "quarantine retry")]
    RetryQuarantined {
        /// Its row.
        id: i64,
        /// All records with its cause.
        #[serde(default)]
        alike: bool,
    },
    /// Say that nothing of it is needed.
    #[serde(rename = "quarantine dismiss")]
    DismissQuarantined {
        /// Its row.
        id: i64,
        /// All records with its cause.
        #[serde(default)]
        alike: bool,
    },
    /// Say that a stock list that was refused as too short is right.
    #[serde(rename = "stock believe-list")]
    BelieveStockList {
        /// The warehouse whose list it is; absent in rows of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warehouse: Option<String>,
    },
    /// See what beginning a channel would do.
    #[serde(rename = "begin --dry-run")]
    LookAtBeginning {},
    /// Let hikiate act for a channel.
    #[serde(rename = "begin")]
    Begin {},
    /// Take over an order that was left to the system before.
    #[serde(rename = "begin --adopt")]
    Adopt {
        /// Its channel's account.
        channel: String,
    },
    /// Forget such an order.
    #[serde(rename = "begin --history")]
    Forget {
        /// Its channel's account.
        channel: String,
    },
    /// Write down what a warehouse said about a request to stop a shipment.
    #[serde(rename = "order recalled")]
    Recalled {
        /// The shipment.
        reference: String,
    },
    /// Tell of a parcel that was shipped by hand.
    #[serde(rename = "order shipped")]
    Shipped {
        /// The shipment that its warehouse has; without one it is of what was not sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// End an order: nothing more of it is instructed.
    #[serde(rename = "order end")]
    End {},
    /// Tell the channel of a shipment again.
    #[serde(rename = "order tell")]
    Tell {
        /// The shipment.
        reference: String,
    },
    /// Goods of a shipment came back.
    #[serde(rename = "return received")]
    Returned {
        /// The shipment.
        reference: String,
    },
    /// A parcel has another number.
    #[serde(rename = "parcel correct")]
    CorrectParcel {
        /// The shipment.
        reference: String,
        /// As it was told.
        from: String,
        /// As it is.
        to: String,
    },
    /// Let an account that an operator paused go on.
    #[serde(rename = "resume")]
    Resume {},
    /// Lift a stop of shipping.
    #[serde(rename = "stop-shipping lift")]
    LiftStop {
        /// Its row.
        id: i64,
    },
    /// Say that the open orders which an account does not show are gone.
    #[serde(rename = "account believe")]
    BelieveAccount {},
    /// Seal what is ready now, without waiting for the next cut-off.
    #[serde(rename = "wave seal")]
    SealWave {},
    /// Give up a wave that was not imported.
    #[serde(rename = "wave abandon")]
    AbandonWave {},
    /// Give up a journal that was not imported.
    #[serde(rename = "books abandon")]
    AbandonBooks {},
    /// Let an automation that has paused itself act again.
    #[serde(rename = "rule resume")]
    ResumeAutomation {
        /// Which.
        rule: String,
        /// The account it acts on.
        account: String,
    },
}

impl Action {
    /// Lets go of one rule or gate of an order.
    #[must_use]
    pub fn release(rule: &str) -> Self {
        Self::Release {
            rule: Some(rule.to_owned()),
        }
    }

    /// The lines to type about a subject, one for each answer; what only the operator knows is in capitals.
    #[must_use]
    pub fn lines(&self, on: &str) -> Vec<String> {
        let answers: &[&str] = match self {
            Self::ResolveEffect { .. } => &["done", "not-done"],
            Self::ExplainRefund { .. } => &["discount", "return", "mistake"],
            Self::Recalled { .. } => &["--accepted", "--declined", "--too-late"],
            _ => return vec![self.line(on, "")],
        };
        answers.iter().map(|answer| self.line(on, answer)).collect()
    }

    fn line(&self, on: &str, answer: &str) -> String {
        let words = match self {
            Self::Release { rule: Some(rule) } => {
                format!("order release {on} --rule {rule} --reason TEXT")
            }
            Self::Release { rule: None } => format!("order release {on} --reason TEXT"),
            Self::Cancel {} => format!("order cancel {on} --reason TEXT"),
            Self::Show {} => format!("order show {on} --json"),
            Self::TaxRate { line } => format!("order tax {on} {line} RATE --reason TEXT"),
            Self::MapCodes {
                same_code: true, ..
            } => "item unmapped".to_owned(),
            Self::MapCodes { .. } => "item unmapped --csv FILE".to_owned(),
            Self::SetName {} => format!("order set-name {on} --name NAME --reason TEXT"),
            Self::ExplainRefund { refund } => {
                format!("order refund-is {on} {refund} {answer} --reason TEXT")
            }
            Self::Refund { amount } => {
                format!("order refund {on} --amount {amount} --reason TEXT")
            }
            Self::AddDeposit {} => format!("deposit add {on} AMOUNT --reference TEXT"),
            Self::ListDeposits {} => "deposit list --unmatched".to_owned(),
            Self::ResolveEffect { effect } => {
                format!("effect resolve {effect} {answer} --reason TEXT")
            }
            Self::ListEffects {} => "effect list".to_owned(),
            Self::Instructed {} => {
                format!("recover --instructed ACCOUNT/{on}-Sn --line CODE=QUANTITY --reason TEXT")
            }
            Self::Recover {} => "recover --lost-since TIME --dry-run --reason TEXT".to_owned(),
            Self::NothingLost {} => "recover --nothing-lost --dry-run --reason TEXT".to_owned(),
            Self::BooksCleared {} => "recover --books-cleared --reason TEXT".to_owned(),
            Self::ShowQuarantined { id } => format!("quarantine show {id}"),
            Self::RetryQuarantined { id, alike } => {
                format!("quarantine retry {id}{}", all_alike(*alike))
            }
            Self::DismissQuarantined { id, alike } => {
                format!("quarantine dismiss {id}{} --reason TEXT", all_alike(*alike))
            }
            Self::BelieveStockList { warehouse } => {
                let of = warehouse.as_ref();
                let of = of.map_or_else(String::new, |name| format!(" --warehouse {name}"));
                format!("stock believe-list {on}{of} --reason TEXT")
            }
            Self::LookAtBeginning {} => format!("begin {on} --dry-run"),
            Self::Begin {} => format!("begin {on} --from TIME --reason TEXT"),
            Self::Adopt { channel } => format!("begin {channel} --adopt {on} --reason TEXT"),
            Self::Forget { channel } => format!("begin {channel} --history {on} --reason TEXT"),
            Self::Recalled { reference } => {
                format!("order recalled {reference} {answer} --reason TEXT")
            }
            Self::Shipped { reference: None } => {
                format!("order shipped {on} --tracking NUMBER --reason TEXT")
            }
            Self::Shipped {
                reference: Some(reference),
            } => format!("order shipped {reference} --tracking NUMBER --line CODE=1 --reason TEXT"),
            Self::End {} => format!("order end {on} --reason TEXT"),
            Self::Tell { reference } => format!("order tell {reference} --reason TEXT"),
            Self::Returned { reference } => format!("return received {reference} --reason TEXT"),
            Self::CorrectParcel {
                reference,
                from,
                to,
            } => format!(
                "parcel correct {reference} --tracking {} --to {} --reason TEXT",
                quoted(from),
                quoted(to)
            ),
            Self::Resume {} => format!("resume {on} --reason TEXT"),
            Self::LiftStop { id } => format!("stop-shipping lift {id} --reason TEXT"),
            Self::BelieveAccount {} => format!("account believe {on} --reason TEXT"),
            Self::SealWave {} => format!("wave seal {on}"),
            Self::AbandonWave {} => format!("wave abandon {on} --not-imported --reason TEXT"),
            Self::AbandonBooks {} => format!("books abandon {on} --not-imported --reason TEXT"),
            Self::ResumeAutomation { rule, account } => {
                format!("automation resume {rule} {account}")
            }
        };
        format!("hikiate {words}")
    }
}

/// An argument as a shell takes it for one word.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// An action with its line, as `--json` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The command and its arguments.
    #[serde(flatten)]
    pub action: Action,
    /// What to type.
    pub line: String,
}

fn all_alike(alike: bool) -> &'static str {
    if alike { " --all-alike" } else { "" }
}

/// Actions with their lines for a subject.
#[must_use]
pub fn suggestions(actions: Vec<Action>, subject: &str) -> Vec<Suggestion> {
    let with_lines = |action: Action| {
        let lines = action.lines(subject);
        lines.into_iter().map(move |line| Suggestion {
            line,
            action: action.clone(),
        })
    };
    actions.into_iter().flat_map(with_lines).collect()
}

/// What a task stores. A command of a newer version is left out: this binary could not say what to type.
#[must_use]
pub fn stored(actions: serde_json::Value) -> Vec<Action> {
    let serde_json::Value::Array(actions) = actions else {
        return Vec::new();
    };
    let known = |action| serde_json::from_value(action).ok();
    actions.into_iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::cli::args::Cli;

    fn all() -> Vec<Action> {
        vec![
            Action::release("short:HK0123456789ABC-S1"),
            Action::Release { rule: None },
            Action::Cancel {},
            Action::Show {},
            Action::AddDeposit {},
            Action::Refund {
                amount: "50.46".to_owned(),
            },
            Action::TaxRate {
                line: "postage".to_owned(),
            },
            Action::MapCodes {
                channel: "shop".to_owned(),
                codes: vec!["A, B".to_owned()],
                same_code: false,
            },
            Action::SetName {},
            Action::ExplainRefund {
                refund: "re_1".to_owned(),
            },
            Action::ResolveEffect { effect: 12 },
            Action::ListEffects {},
            Action::Instructed {},
            Action::Recover {},
            Action::NothingLost {},
            Action::BooksCleared {},
            Action::ShowQuarantined { id: 3 },
            Action::RetryQuarantined {
                id: 3,
                alike: false,
            },
            Action::LookAtBeginning {},
            Action::Begin {},
            Action::Adopt {
                channel: "shop".to_owned(),
            },
            Action::Forget {
                channel: "shop".to_owned(),
            },
            Action::Recalled {
                reference: "HK0123456789ABC-S1".to_owned(),
            },
            Action::Shipped { reference: None },
            Action::Shipped {
                reference: Some("HK0123456789ABC-S1".to_owned()),
            },
            Action::End {},
            Action::Tell {
                reference: "HK0123456789ABC-S1".to_owned(),
            },
            Action::Returned {
                reference: "HK0123456789ABC-S1".to_owned(),
            },
            Action::CorrectParcel {
                reference: "HK0123456789ABC-S1".to_owned(),
                from: "-".to_owned(),
                to: "NUMBER".to_owned(),
            },
            Action::Resume {},
            Action::LiftStop { id: 4 },
            Action::BelieveAccount {},
            Action::SealWave {},
            Action::AbandonWave {},
            Action::AbandonBooks {},
            Action::ResumeAutomation {
                rule: "mail:shipped".to_owned(),
                account: "shop".to_owned(),
            },
        ]
    }

    #[test]
    fn every_line_is_one_that_the_program_takes() {
        for action in all() {
            for line in action.lines("HK0123456789ABC") {
                assert!(
                    !line.contains(['|', '<', '>', ';', '&']),
                    "pasted, {line} is another command"
                );
                let typed = line
                    .replace("AMOUNT", "500")
                    .replace("RATE", "10")
                    .replace("QUANTITY", "2")
                    .replace("NUMBER", "4012-3456-7893")
                    .replace("TIME", "2026-11-22T03:00:00+09:00");
                Cli::try_parse_from(typed.split(' '))
                    .unwrap_or_else(|e| unreachable!("{line}: {e}"));
            }
        }
    }

    #[test]
    fn an_action_is_stored_as_a_command_with_arguments() {
        let release = serde_json::to_value(Action::release("capture")).unwrap();
        assert_eq!(
            release,
            json!({ "command": "order release", "args": { "rule": "capture" } })
        );
        let told = serde_json::to_value(&suggestions(vec![Action::Cancel {}], "HK1")[0]).unwrap();
        assert_eq!(
            told,
            json!({ "command": "order cancel", "args": {}, "line": "hikiate order cancel HK1 --reason TEXT" })
        );
        let back = serde_json::to_value(all()).unwrap();
        assert_eq!(stored(back), all());
    }

    #[test]
    fn a_command_of_a_newer_version_is_left_out() {
        let newer = json!([{ "command": "wave repeat", "args": { "n": 1 } }, { "command": "deposit add", "args": {} }]);
        assert_eq!(stored(newer), [Action::AddDeposit {}]);
        assert_eq!(stored(json!({})), []);
    }
}
