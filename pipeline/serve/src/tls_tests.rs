//! TLS with a certificate made by the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Credentials, fetch_metrics};
use crate::config::{ServeConfig, TlsFiles, Token};
use crate::error::ErrorKind;
use crate::health::Health;
use crate::metrics::tests::metrics;
use crate::server::{Ingest, Server};
use crate::test_log::{TOPIC, TestLog, punch};
use crate::tls::Certificate;

fn made() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn write(folder: &Path, made: &CertifiedKey<KeyPair>) -> TlsFiles {
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

/// Posts one punch by TLS, trusting `root` alone.
fn post(address: SocketAddr, root: &CertificateDer<'static>) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    let body = punch("e1", "E1");
    let request = format!(
        "POST /v1/punches HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[tokio::test]
async fn punches_come_by_tls_to_an_address_others_reach() {
    let folder = tempfile::tempdir().unwrap();
    let first = made();
    let files = write(folder.path(), &first);
    let sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
    let config = ServeConfig {
        address: "127.0.0.1:0".into(),
        tls: Some(files.clone()),
        tokens: vec![Token { name: "kiosk".into(), sha256 }],
        ..ServeConfig::default()
    };
    let log = TestLog::open(1 << 20);
    let metrics = metrics();
    let health = Health::new(&[], &metrics);
    let appender = Box::new(log.appender());
    let ingest = Ingest { appender, topic: TOPIC.into(), record_bytes_max: 1_000 };
    let server = Server::start(config.check().unwrap(), Some(ingest), metrics, health).await.unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let address = server.address();
    let root = first.cert.der().clone();
    let answer = tokio::task::spawn_blocking(move || post(address, &root)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(log.records().len(), 1);
    let stranger = made().cert.der().clone();
    let refused = tokio::task::spawn_blocking(move || post(address, &stranger)).await.unwrap();
    assert!(refused.is_err(), "a client that trusts another certificate must not be served");
    let url = server.url();
    let credentials = Credentials { token: Some("test"), certificate: Some(&files.cert) };
    let samples = fetch_metrics(&url, credentials).await.unwrap();
    assert_eq!(samples.by("muster_ingest_records_total", "result")["accepted"], 1.0);
    let other = tempfile::tempdir().unwrap();
    let certificate = write(other.path(), &made()).cert;
    let error = fetch_metrics(&url, Credentials { certificate: Some(&certificate), ..credentials })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("speak TLS"), "another certificate is not the one pinned: {error}");
    server.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_changed_certificate_is_served_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &made());
    let mut certificate = Certificate::load(&files).unwrap();
    let served = certificate.served();
    let before = served.get_inner();
    assert_eq!(certificate.look().map_err(|error| error.to_string()), Ok(false));
    assert!(Arc::ptr_eq(&before, &served.get_inner()));
    write(folder.path(), &made());
    assert_eq!(certificate.look().map_err(|error| error.to_string()), Ok(true));
    let second = served.get_inner();
    assert!(!Arc::ptr_eq(&before, &second));
    std::fs::write(&files.key, made().signing_key.serialize_pem()).unwrap();
    let error = certificate.look().unwrap_err();
    assert!(error.to_string().contains("the one the first certificate was made for"), "{error}");
    assert!(Arc::ptr_eq(&second, &served.get_inner()), "the old one stays");
    assert_eq!(second.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), &made());
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let absent = folder.path().join("absent.pem");
    for (cert, key, part) in [
        (&absent, &good.key, "tls.cert"),
        (&good.cert, &absent, "tls.key"),
        (&empty, &good.key, "holds no certificate in PEM"),
        (&good.key, &good.key, "holds no certificate in PEM"),
        (&good.cert, &empty, "holds no unencrypted private key"),
    ] {
        let files = TlsFiles { cert: cert.clone(), key: key.clone() };
        let Err(error) = Certificate::load(&files) else { panic!("{part}") };
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
}
