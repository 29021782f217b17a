//! An SFTP server over a folder of this machine, on loopback, with keys that are for tests only.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode,
};

/// A running server; it ends with its value.
pub struct SftpSim {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its host key as the account pins it.
    pub host_key: String,
    /// The private key that it lets in, in OpenSSH form.
    pub client_key: String,
    faults: Arc<Faults>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Faults {
    drop_after_rename: AtomicBool,
    hang_on_read: AtomicBool,
    hang_on_list: AtomicBool,
    refuse_login: AtomicBool,
}

impl SftpSim {
    /// Serves a folder on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port or key can be had.
    pub async fn start(root: PathBuf) -> io::Result<Self> {
        let (host, client) = (key(1), key(2));
        let client_key = client
            .to_openssh(LineEnding::LF)
            .map_err(io::Error::other)?
            .to_string();
        let host_key = host.public_key().fingerprint(HashAlg::Sha256).to_string();
        let config = Arc::new(Config {
            keys: vec![host],
            auth_rejection_time: Duration::ZERO,
            nodelay: true,
            ..Config::default()
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let faults = Arc::new(Faults::default());
        let shared = faults.clone();
        let allowed = client.public_key().fingerprint(HashAlg::Sha256).to_string();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let login = Login {
                    root: root.clone(),
                    faults: shared.clone(),
                    allowed: allowed.clone(),
                    channels: HashMap::new(),
                };
                let config = config.clone();
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, stream, login).await {
                        drop(session.await);
                    }
                });
            }
        });
        Ok(Self {
            address,
            host_key,
            client_key,
            faults,
            task,
        })
    }

    /// The next rename is done, and the connection ends before the answer.
    pub fn drop_after_rename(&self) {
        self.faults.drop_after_rename.store(true, Ordering::SeqCst);
    }

    /// Whether readings are answered from now on, or never.
    pub fn hang_on_read(&self, hang: bool) {
        self.faults.hang_on_read.store(hang, Ordering::SeqCst);
    }

    /// Whether listings are answered from now on, or never.
    pub fn hang_on_list(&self, hang: bool) {
        self.faults.hang_on_list.store(hang, Ordering::SeqCst);
    }

    /// Whether logins are refused from now on.
    pub fn refuse_login(&self, refuse: bool) {
        self.faults.refuse_login.store(refuse, Ordering::SeqCst);
    }
}

impl Drop for SftpSim {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

struct Login {
    root: PathBuf,
    faults: Arc<Faults>,
    allowed: String,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl russh::server::Handler for Login {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let known = key.public_key.fingerprint(HashAlg::Sha256).to_string() == self.allowed;
        Ok(
            if known && !self.faults.refuse_login.load(Ordering::SeqCst) {
                Auth::Accept
            } else {
                Auth::reject()
            },
        )
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.channels.remove(&id).filter(|_| name == "sftp") {
            Some(channel) => {
                session.channel_success(id)?;
                let requests = Requests {
                    root: self.root.clone(),
                    faults: self.faults.clone(),
                    listed: HashMap::new(),
                    handle: session.handle(),
                };
                russh_sftp::server::run(channel.into_stream(), requests).await;
            }
            None => session.channel_failure(id)?,
        }
        Ok(())
    }
}

struct Requests {
    root: PathBuf,
    faults: Arc<Faults>,
    listed: HashMap<String, bool>,
    handle: russh::server::Handle,
}

impl Requests {
    /// A path below the root; `..` is dropped.
    fn path(&self, path: &str) -> PathBuf {
        path.split('/')
            .filter(|p| !matches!(*p, "" | "." | ".."))
            .fold(self.root.clone(), |at, p| at.join(p))
    }
}

impl russh_sftp::server::Handler for Requests {
    type Error = StatusCode;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        _attrs: FileAttributes,
    ) -> Result<Handle, Self::Error> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(flags.contains(OpenFlags::WRITE))
            .create(flags.contains(OpenFlags::CREATE));
        options
            .truncate(flags.contains(OpenFlags::TRUNCATE))
            .open(self.path(&filename))
            .map_err(code)?;
        Ok(Handle {
            id,
            handle: filename,
        })
    }

    async fn close(&mut self, id: u32, _handle: String) -> Result<Status, Self::Error> {
        Ok(done(id))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, Self::Error> {
        if self.faults.hang_on_read.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let mut data = vec![0; usize::try_from(len).unwrap_or_default()];
        let file = fs::File::open(self.path(&handle)).map_err(code)?;
        let got = file.read_at(&mut data, offset).map_err(code)?;
        if got == 0 {
            return Err(StatusCode::Eof);
        }
        data.truncate(got);
        Ok(Data { id, data })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, Self::Error> {
        let file = OpenOptions::new()
            .write(true)
            .open(self.path(&handle))
            .map_err(code)?;
        file.write_all_at(&data, offset).map_err(code)?;
        Ok(done(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, Self::Error> {
        let meta = fs::symlink_metadata(self.path(&path)).map_err(code)?;
        Ok(Attrs {
            id,
            attrs: FileAttributes::from(&meta),
        })
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attrs: FileAttributes,
    ) -> Result<Status, Self::Error> {
        if let Some(mode) = attrs.permissions {
            let wanted = fs::Permissions::from_mode(mode);
            fs::set_permissions(self.path(&handle), wanted).map_err(code)?;
        }
        Ok(done(id))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, Self::Error> {
        let meta = fs::metadata(self.path(&path)).map_err(code)?;
        Ok(Attrs {
            id,
            attrs: FileAttributes::from(&meta),
        })
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, Self::Error> {
        fs::read_dir(self.path(&path)).map_err(code)?;
        self.listed.insert(path.clone(), false);
        Ok(Handle { id, handle: path })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, Self::Error> {
        if self.faults.hang_on_list.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.listed.insert(handle.clone(), true) != Some(false) {
            return Err(StatusCode::Eof);
        }
        let items = fs::read_dir(self.path(&handle)).map_err(code)?;
        let file = |item: fs::DirEntry| {
            Some(File::new(
                item.file_name().into_string().ok()?,
                FileAttributes::from(&item.metadata().ok()?),
            ))
        };
        Ok(Name {
            id,
            files: items.filter_map(Result::ok).filter_map(file).collect(),
        })
    }

    async fn mkdir(
        &mut self,
        id: u32,
        path: String,
        _attrs: FileAttributes,
    ) -> Result<Status, Self::Error> {
        fs::create_dir(self.path(&path)).map_err(code)?;
        Ok(done(id))
    }

    async fn remove(&mut self, id: u32, filename: String) -> Result<Status, Self::Error> {
        fs::remove_file(self.path(&filename)).map_err(code)?;
        Ok(done(id))
    }

    /// Like OpenSSH: an existing target is refused.
    async fn rename(
        &mut self,
        id: u32,
        oldpath: String,
        newpath: String,
    ) -> Result<Status, Self::Error> {
        let (old, new) = (self.path(&oldpath), self.path(&newpath));
        if new.exists() {
            return Err(StatusCode::Failure);
        }
        fs::rename(old, new).map_err(code)?;
        if self.faults.drop_after_rename.swap(false, Ordering::SeqCst) {
            let end = self
                .handle
                .disconnect(
                    russh::Disconnect::ByApplication,
                    String::new(),
                    String::new(),
                )
                .await;
            drop(end);
            std::future::pending::<()>().await;
        }
        Ok(done(id))
    }
}

fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "ok".to_owned(),
        language_tag: "en".to_owned(),
    }
}

fn code(e: io::Error) -> StatusCode {
    match e.kind() {
        ErrorKind::NotFound => StatusCode::NoSuchFile,
        ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}
