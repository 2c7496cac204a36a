//! The certificate: read at start, read again when its files change, served without a restart.
//!
//! In: two PEM files.  Out: a rustls configuration for TLS 1.2 and 1.3 with HTTP/2.  Owns: the hash of what is served.
//! Absent on purpose: a process-wide crypto provider (AWS-LC is named here, so nobody has to install one), client
//! certificates, encrypted keys.
//! Invariants: a changed pair that cannot be used never replaces the one that is served.
//! Why so: contents are compared, not times: a mounted secret is swapped by a link whose times say little.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::config::TlsFiles;
use crate::error::{Error, ErrorKind};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A pair of files and what of it is served.
pub(crate) struct Certificate {
    files: TlsFiles,
    hash: [u8; 32],
    served: RustlsConfig,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read, holds no PEM of its kind, or a key of another certificate.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, Error> {
        let (cert, key) = contents(files)?;
        let served = RustlsConfig::from_config(config(files, &cert, &key)?);
        Ok(Self { files: files.clone(), hash: hash(&cert, &key), served })
    }

    /// What the server is given: it follows every later change.
    pub(crate) fn served(&self) -> RustlsConfig {
        self.served.clone()
    }

    /// Reads the files again; true if another pair is served now.
    ///
    /// # Errors
    /// As [`Self::load`]; the old pair stays.
    pub(crate) fn look(&mut self) -> Result<bool, Error> {
        let (cert, key) = contents(&self.files)?;
        let seen = hash(&cert, &key);
        if seen == self.hash {
            return Ok(false);
        }
        let config = config(&self.files, &cert, &key)?;
        self.hash = seen;
        self.served.reload_from_config(config);
        Ok(true)
    }

    /// Looks now and then, for ever.
    pub(crate) async fn follow(mut self) {
        let mut told = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // Two small files: reading them takes less than handing them to another thread would.
            match self.look() {
                Ok(true) => tracing::info!(cert = %self.files.cert.display(), "certificate reloaded"),
                Ok(false) => told = None,
                Err(error) => {
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        tracing::warn!(%error, "the changed certificate is not used: the old one stays");
                    }
                    told = Some(text);
                }
            }
        }
    }
}

fn contents(files: &TlsFiles) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let read = |path: &Path, key: &str| {
        let doing = format!("read [serve] tls.{key} {}", path.display());
        let remedy = "let the file be there and this user may read it";
        fs::read(path).map_err(|error| Error::caused(ErrorKind::Tls, &doing, error, remedy))
    };
    Ok((read(&files.cert, "cert")?, read(&files.key, "key")?))
}

fn hash(cert: &[u8], key: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((cert.len() as u64).to_le_bytes());
    hash.update(cert);
    hash.update(key);
    hash.finalize().into()
}

/// The first certificate in the PEM file `path`: the one a server that was given the file shows.
///
/// # Errors
/// The file cannot be read, or holds none.
pub(crate) fn leaf(path: &Path) -> Result<CertificateDer<'static>, Error> {
    let doing = format!("read the certificate {}", path.display());
    let remedy = "let the file be there and this user may read it";
    let bytes = fs::read(path).map_err(|error| Error::caused(ErrorKind::Tls, &doing, error, remedy))?;
    CertificateDer::pem_slice_iter(&bytes).next().and_then(Result::ok).ok_or_else(|| no_certificate(path))
}

fn no_certificate(path: &Path) -> Error {
    let what = "holds no certificate in PEM: the file begins with -----BEGIN CERTIFICATE-----";
    Error::new(ErrorKind::Tls, format!("[serve] tls.cert {} {what}", path.display()))
}

fn config(files: &TlsFiles, cert: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, Error> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(cert).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(no_certificate(&files.cert));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
        let what = "holds no unencrypted private key in PEM";
        Error::new(ErrorKind::Tls, format!("[serve] tls.key {} {what}", files.key.display()))
    })?;
    let doing = format!("use {} with {}", files.cert.display(), files.key.display());
    let remedy = "let the key be the one the first certificate was made for";
    let unfit = |error: rustls::Error| Error::caused(ErrorKind::Tls, &doing, error, remedy);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
