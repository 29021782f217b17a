//! `hikiate return` and `hikiate parcel`: what is typed about parcels after they were shipped.

use super::args::{ParcelCommand, ReturnCommand};
use super::failure::Failure;
use super::order::typed::{Subject, of_no_other_order, write};
use super::session::Session;
use crate::plan::command::{correct as corrected, returned as came_back};

/// `return received`
pub(crate) async fn returned(session: &Session, command: ReturnCommand) -> Result<(), Failure> {
    let ReturnCommand::Received {
        reference,
        lines,
        reason,
    } = command;
    let subjects = [Subject::of_shipment(session, &reference).await?];
    write(session, &subjects, false, |now, subject| {
        came_back(now, subject.reference(), &lines, &reason)
    })
    .await
}

/// `parcel correct`
pub(crate) async fn correct(session: &Session, command: ParcelCommand) -> Result<(), Failure> {
    let ParcelCommand::Correct {
        reference,
        tracking,
        to,
        same_box,
        reason,
    } = command;
    let subjects = [Subject::of_shipment(session, &reference).await?];
    let [subject] = &subjects;
    of_no_other_order(session, subject, &to, same_box).await?;
    write(session, &subjects, false, |now, subject| {
        corrected(now, subject.reference(), &tracking, &to, &reason)
    })
    .await
}
