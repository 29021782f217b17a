//! Far sides for tests and the demo: a warehouse that works with files, and an SFTP server.

mod answers;
mod reader;
mod sftp;
mod warehouse;

pub use sftp::SftpSim;
pub use warehouse::{
    SimCancel, SimFile, SimFolders, SimHandling, SimLine, SimParcel, SimShipment, SimTick,
    WarehouseSim,
};
