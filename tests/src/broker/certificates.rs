//! Certificates for one broker and its clients, signed by an authority made for it.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

/// The authority's certificate, in the broker's folder.
pub(super) const CA_FILE: &str = "ca.pem";

/// The broker's key and certificate in one file, as Kafka's PEM key store wants them.
pub(super) const BROKER_FILE: &str = "broker.pem";

/// What a client needs: the authority to believe, and a certificate of its own.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    pub(super) ca_pem: String,
    pub(super) client_pem: String,
    pub(super) client_key_pem: String,
}

impl Certificates {
    /// Makes them and writes [`CA_FILE`] and [`BROKER_FILE`] into `folder`.
    pub(super) fn make(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = named("Muster test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("make a key");
        let ca_pem = params.self_signed(&key).expect("sign the authority's certificate").pem();
        let issuer = Issuer::new(params, key);

        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let (broker_pem, broker_key_pem) =
            signed(&issuer, names, "Muster test broker", ExtendedKeyUsagePurpose::ServerAuth);
        let (client_pem, client_key_pem) =
            signed(&issuer, Vec::new(), "Muster test client", ExtendedKeyUsagePurpose::ClientAuth);
        fs::write(folder.join(CA_FILE), &ca_pem).expect("write the authority's certificate");
        fs::write(folder.join(BROKER_FILE), broker_key_pem + &broker_pem)
            .expect("write the broker's certificate");
        Self { ca_pem, client_pem, client_key_pem }
    }
}

/// A certificate and its key, as PEM.
fn signed(
    issuer: &Issuer<'_, KeyPair>,
    names: Vec<String>,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> (String, String) {
    let mut params = CertificateParams::new(names).expect("names of this machine");
    params.distinguished_name = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().expect("make a key");
    let certificate = params.signed_by(&key, issuer).expect("sign a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
