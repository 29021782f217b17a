//! External systems for tests and the demo: a warehouse that works with files, and an SFTP server.

mod answers;
mod model;
mod reader;
mod sftp;
mod site;
mod subject;
mod warehouse;
mod work;

pub use model::{
    SimCancel, SimFile, SimFolders, SimHandling, SimLine, SimParcel, SimShipment, SimTick,
};
pub use sftp::SftpSim;
pub use subject::{ByFile, Place};
pub use warehouse::WarehouseSim;
