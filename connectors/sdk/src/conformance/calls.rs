//! One call of each kind, for asking a connector about what it does not offer.

use chrono::NaiveDate;

use crate::{
    AnnotateCall, BatchName, Call, CancelInstructionCall, CancelOrderCall, CaptureCall, Currency,
    FulfilCall, HoldWhy, InstructCall, JournalBatch, MailMessage, Op, RecordRefundCall, RefundCall,
    ShipCall, ShipmentReference, ShownHold, VoidCall,
};

/// A small call of an operation.
#[must_use]
pub fn sample_call(op: Op) -> Call {
    let reference = ShipmentReference::from("HK0000000000001-S1");
    let batch = |kind: &str| BatchName {
        account: "sample".to_owned(),
        kind: kind.to_owned(),
        period: NaiveDate::default().format("%Y%m%d").to_string(),
        n: 1,
    };
    match op {
        Op::Instruct => Call::Instruct(InstructCall {
            batch: batch("instruct"),
            instructions: Vec::new(),
        }),
        Op::CancelInstruction => Call::CancelInstruction(CancelInstructionCall {
            key: "cancel_instruction:sample:1".to_owned(),
            reference,
            order_number: "HK0000000000001".to_owned(),
        }),
        Op::Fulfil => Call::Fulfil(FulfilCall {
            order: "order-1".into(),
            reference,
            location: None,
            lines: Vec::new(),
        }),
        Op::Ship => Call::Ship(ShipCall {
            order: "order-1".into(),
            reference,
            lines: Vec::new(),
            parcels: Vec::new(),
        }),
        Op::Capture => Call::Capture(CaptureCall {
            order: "order-1".into(),
            payment: "payment-1".into(),
            provider: None,
            key: "capture:sample:1".to_owned(),
            amount: None,
            currency: Currency::JPY,
            expected_captured_total: 100,
        }),
        Op::CancelOrder => Call::CancelOrder(CancelOrderCall {
            order: "order-1".into(),
        }),
        Op::Mail => Call::Mail(MailMessage {
            message_id: "mail.sample.1".to_owned(),
            to: "someone@example.test".to_owned(),
            subject: "sample".to_owned(),
            text: "sample".to_owned(),
        }),
        Op::PostJournal => Call::PostJournal {
            batch: batch("journal"),
            journal: JournalBatch {
                entries: Vec::new(),
            },
        },
        Op::Annotate => Call::Annotate(AnnotateCall {
            order: "order-1".into(),
            holds: vec![ShownHold {
                rule: "high-value".to_owned(),
                why: HoldWhy::Rule,
            }],
        }),
        Op::Refund => Call::Refund(RefundCall {
            order: "order-1".into(),
            payment: "payment-1".into(),
            provider: None,
            key: "refund:sample:1".to_owned(),
            amount: 100,
            currency: Currency::JPY,
            expected_refunded_total: 100,
            reason: None,
            lines: Vec::new(),
        }),
        Op::Void => Call::Void(VoidCall {
            order: "order-1".into(),
            payment: "payment-1".into(),
            provider: None,
            key: "void:sample:1".to_owned(),
            amount: 100,
            currency: Currency::JPY,
        }),
        Op::RecordRefund => Call::RecordRefund(RecordRefundCall {
            order: "order-1".into(),
            key: "record_refund:sample:1".to_owned(),
            amount: 100,
            currency: Currency::JPY,
            expected_refunded_total: 100,
            reason: None,
            lines: Vec::new(),
        }),
    }
}
