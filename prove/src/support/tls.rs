//! A certificate authority of a test, and servers with its certificates in front of others without.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An authority that nobody else knows.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    /// One with a key of its own.
    #[must_use]
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::default();
        // Else one is taken for another whose signature is wrong.
        let name = format!("Test authority {}", MADE.fetch_add(1, Ordering::SeqCst));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for this host.
    #[must_use]
    pub fn server(&self, host: &str) -> Certified {
        self.sign(CertificateParams::new([host.to_owned()]).unwrap())
    }

    /// The same, but it ended years ago.
    #[must_use]
    pub fn expired(&self, host: &str) -> Certified {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Certified {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            certificate: certificate.der().clone(),
            private: key.serialize_der(),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate with its key.
pub struct Certified {
    pem: String,
    key: String,
    certificate: CertificateDer<'static>,
    private: Vec<u8>,
}

impl Certified {
    /// Writes `server.crt` and `server.key`.
    pub fn write(&self, folder: &Path) {
        std::fs::write(folder.join("server.crt"), &self.pem).unwrap();
        std::fs::write(folder.join("server.key"), &self.key).unwrap();
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(self.private.clone()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// TLS from the first byte, in front of a server without. Returns its port on this machine.
pub async fn over_tls(certified: &Certified, behind: SocketAddr) -> u16 {
    let acceptor = certified.acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((front, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not like our certificate leaves here.
                let Ok(mut front) = acceptor.accept(front).await else {
                    return;
                };
                let mut back = TcpStream::connect(behind).await.unwrap();
                copy_bidirectional(&mut front, &mut back).await.ok();
            });
        }
    });
    port
}

/// A mail server that offers STARTTLS, in front of one without.
pub async fn over_starttls(certified: &Certified, behind: SocketAddr) -> u16 {
    let acceptor = certified.acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((front, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { upgrade(front, &acceptor, behind).await.ok() });
        }
    });
    port
}

async fn upgrade(
    front: TcpStream,
    acceptor: &TlsAcceptor,
    behind: SocketAddr,
) -> std::io::Result<()> {
    let mut front = BufReader::new(front);
    let mut plain = BufReader::new(TcpStream::connect(behind).await?);
    let greeting = reply(&mut plain).await?;
    front.write_all(greeting.as_bytes()).await?;
    loop {
        let mut line = String::new();
        if front.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if line.trim().eq_ignore_ascii_case("STARTTLS") {
            front.write_all(b"220 go on\r\n").await?;
            break;
        }
        plain.write_all(line.as_bytes()).await?;
        let mut answer = reply(&mut plain).await?;
        if line.to_ascii_uppercase().starts_with("EHLO") {
            answer = answer.replacen("\r\n", "\r\n250-STARTTLS\r\n", 1);
        }
        front.write_all(answer.as_bytes()).await?;
    }
    let mut front = acceptor.accept(front.into_inner()).await?;
    // A session begins anew inside TLS, without a greeting.
    let mut fresh = BufReader::new(TcpStream::connect(behind).await?);
    reply(&mut fresh).await?;
    copy_bidirectional(&mut front, &mut fresh.into_inner()).await?;
    Ok(())
}

/// All lines of one.
async fn reply(server: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<String> {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        if server.read_line(&mut line).await? == 0 {
            return Ok(all);
        }
        let last = line.as_bytes().get(3) != Some(&b'-');
        all += &line;
        if last {
            return Ok(all);
        }
    }
}
