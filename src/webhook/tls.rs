//! The certificate, read again when its files change, as they do when a Secret that is mounted is renewed. Connections that
//! are open stay open. Files that can't be used, which two written one after the other are for a moment, leave the one
//! before in place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use std::{fs, io};

use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// Between two looks at the files.
pub const LOOK: Duration = Duration::from_secs(5);

/// Why a certificate can't be used. Names files, and never what is in them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("can't read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} holds no {what} in PEM: {source}")]
    Pem {
        path: PathBuf,
        what: &'static str,
        source: pem::Error,
    },
    #[error("{certificate} and {key} can't be used together: {source}")]
    Pair {
        certificate: PathBuf,
        key: PathBuf,
        source: rustls::Error,
    },
    #[error("no TLS: {0}")]
    Config(#[from] rustls::Error),
}

/// A certificate and its key, in two files.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// Reads it for the first time.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = Files::read(certificate, key)?;
        let current = RwLock::new(Arc::new(files.parse(certificate, key, &provider)?));
        Ok(Arc::new(Self {
            chain: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            current,
        }))
    }

    /// What takes connections in, with the certificate as it is then.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files again and again. What is wrong with them is told once. It never ends.
    pub async fn follow(&self, every: Duration) {
        let (mut looks, mut seen) = (tokio::time::interval(every), None);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let files = Files::read(&self.chain, &self.key);
            let sight = files.as_ref().ok().map(Files::digest);
            if seen.as_ref() == Some(&sight) {
                continue;
            }
            let is_first = seen.is_none();
            seen = Some(sight);
            match files.and_then(|files| files.parse(&self.chain, &self.key, &self.provider)) {
                Ok(read) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                    if !is_first {
                        tracing::info!(certificate = %self.chain.display(), "the certificate was read again");
                    }
                }
                Err(error) => tracing::warn!(%error, "the certificate can't be read again; the one before stays"),
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsError::Read {
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            certificate: read(certificate)?,
            key: read(key)?,
        })
    }

    /// The key itself is not kept for comparison.
    fn digest(&self) -> [Vec<u8>; 2] {
        [&self.certificate, &self.key].map(|file| Sha256::digest(file).to_vec())
    }

    fn parse(&self, certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let unreadable = |path: &Path, what, source| TlsError::Pem {
            path: path.to_owned(),
            what,
            source,
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain
            .and_then(|chain| {
                if chain.is_empty() {
                    Err(pem::Error::NoItemsFound)
                } else {
                    Ok(chain)
                }
            })
            .map_err(|source| unreadable(certificate, "certificate", source))?;
        let private = PrivateKeyDer::from_pem_slice(&self.key);
        let private = private.map_err(|source| unreadable(key, "private key", source))?;
        CertifiedKey::from_der(chain, private, provider).map_err(|source| TlsError::Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source,
        })
    }
}
