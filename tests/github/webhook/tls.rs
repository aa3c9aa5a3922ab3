//! The receiver's certificate: used, exchanged while connections are open, and kept while its files can't be used.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_automation::webhook::tls::{Certificate, LOOK};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate of its own, as the files hold it.
struct Made {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

fn made() -> Made {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Made {
        certificate: cert.pem(),
        key: signing_key.serialize_pem(),
        der: cert.der().clone(),
    }
}

/// A Secret as the kubelet mounts it: files that are links into a folder that is a link.
struct Volume(TempDir);

impl Volume {
    fn new(first: &Made) -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        volume.turn("1", &first.certificate, &first.key);
        for file in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(file), volume.0.path().join(file)).unwrap();
        }
        volume
    }

    fn turn(&self, version: &str, certificate: &str, key: &str) {
        let folder = self.0.path().join(version);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), certificate).unwrap();
        std::fs::write(folder.join("tls.key"), key).unwrap();
        let next = self.0.path().join("..data_tmp");
        symlink(version, &next).unwrap();
        std::fs::rename(next, self.0.path().join("..data")).unwrap();
    }

    fn certificate(&self) -> Arc<Certificate> {
        let file = |name: &str| self.0.path().join(name);
        Certificate::load(&file("tls.crt"), &file("tls.key")).unwrap()
    }
}

/// A connection that says back what it is told.
async fn connect(server: &Arc<Certificate>, trusted: &[&Made]) -> TlsStream<DuplexStream> {
    let (near, far) = tokio::io::duplex(1 << 14);
    let acceptor = server.acceptor().unwrap();
    tokio::spawn(async move {
        let mut stream = acceptor.accept(far).await.unwrap();
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&byte).await.unwrap();
        }
    });
    let mut roots = RootCertStore::empty();
    for made in trusted {
        roots.add(made.der.clone()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, near).await.unwrap()
}

async fn shown(server: &Arc<Certificate>, trusted: &[&Made]) -> CertificateDer<'static> {
    let stream = connect(server, trusted).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn still_talks(stream: &mut TlsStream<DuplexStream>) {
    stream.write_all(b"x").await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"x");
}

/// Time is simulated: the files are looked at once more.
async fn look() {
    tokio::time::sleep(LOOK + Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let (first, second, third) = (made(), made(), made());
    let trusted = [&first, &second, &third];
    let volume = Volume::new(&first);
    let server = volume.certificate();
    let followed = server.clone();
    let following = tokio::spawn(async move { followed.follow(LOOK).await });
    let mut open = connect(&server, &trusted).await;
    assert_eq!(shown(&server, &trusted).await, first.der);

    volume.turn("2", &second.certificate, &second.key);
    look().await;
    assert_eq!(shown(&server, &trusted).await, second.der);
    still_talks(&mut open).await;

    for (version, certificate, key) in [
        ("3", third.certificate.as_str(), second.key.as_str()),
        ("4", "", &third.key),
        (
            "5",
            &third.certificate,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ),
        ("6", &third.key, &third.certificate),
    ] {
        volume.turn(version, certificate, key);
        look().await;
        assert_eq!(shown(&server, &trusted).await, second.der, "version {version}");
    }
    std::fs::remove_file(volume.0.path().join("tls.key")).unwrap();
    look().await;
    assert_eq!(shown(&server, &trusted).await, second.der);

    volume.turn("7", &third.certificate, &third.key);
    symlink("..data/tls.key", volume.0.path().join("tls.key")).unwrap();
    look().await;
    assert_eq!(shown(&server, &trusted).await, third.der);
    still_talks(&mut open).await;
    following.abort();
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_told_at_the_start() {
    let (first, second) = (made(), made());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("a.crt"), &first.certificate).unwrap();
    std::fs::write(file("a.key"), &first.key).unwrap();
    std::fs::write(file("b.key"), &second.key).unwrap();
    for (certificate, key, told) in [
        ("none.crt", "a.key", "can't read "),
        ("a.crt", "none.key", "can't read "),
        ("a.key", "a.key", "a.key holds no certificate in PEM"),
        ("a.crt", "a.crt", "a.crt holds no private key in PEM"),
        ("a.crt", "b.key", "can't be used together"),
    ] {
        let error = Certificate::load(&file(certificate), &file(key))
            .unwrap_err()
            .to_string();
        assert!(error.contains(told), "{certificate} and {key}: {error}");
        assert!(!error.contains("-----"), "{error}");
    }
}
