//! A certificate authority of the test's own.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority, with a folder for the files that servers read.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A certificate with its key.
pub(crate) struct Identity {
    /// In PEM: the certificate, then its key, as HAProxy wants it.
    pub(crate) both: PathBuf,
    /// The certificate in PEM.
    pub(crate) certificate: PathBuf,
    /// The key in PEM.
    pub(crate) key: PathBuf,
    /// The certificate itself.
    pub(crate) der: CertificateDer<'static>,
    /// The private key itself.
    pub(crate) key_der: PrivateKeyDer<'static>,
}

/// Days before now and after it, between which a certificate is valid.
pub(crate) type Days = (i64, i64);

/// A certificate that is valid for long.
pub(crate) const VALID: Days = (-30, 60);

impl Authority {
    /// An authority with this name.
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params(&[], name, (-3650, 3650));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    /// The authority's own certificate, to be trusted.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Issues a certificate for these names.
    pub(crate) fn issue(&self, names: &[&str], days: Days) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = params(names, "leaf", days);
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.extended_key_usages = both.to_vec();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::write(self.folder.path(), &certificate, &key)
    }
}

/// A certificate for these names that signs itself and calls itself an authority, as `openssl req
/// -x509` makes them.
pub(crate) fn self_signed(folder: &Path, names: &[&str], days: Days) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = params(names, "self", days);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Identity::write(folder, &params.self_signed(&key).unwrap(), &key)
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid in real time")]
fn params(names: &[&str], common_name: &str, (from, to): Days) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    let [from, to] = [from, to].map(|days| {
        let span = Duration::from_hours(24 * days.unsigned_abs());
        if days < 0 { now - span } else { now + span + Duration::from_mins(1) }
    });
    (params.not_before, params.not_after) = (from.into(), to.into());
    params
}

impl Identity {
    fn write(folder: &Path, certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let name = format!("{:x}", rand::random::<u64>());
        let path = folder.join(name);
        let files = ["both", "crt", "key"].map(|end| path.with_extension(end));
        let [both, certificate_file, key_file] = files;
        let (certificate_text, key_text) = (certificate.pem(), key.serialize_pem());
        std::fs::write(&both, format!("{certificate_text}{key_text}")).unwrap();
        std::fs::write(&certificate_file, certificate_text).unwrap();
        std::fs::write(&key_file, key_text).unwrap();
        let key_der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let der = certificate.der().clone();
        Self { both, certificate: certificate_file, key: key_file, der, key_der }
    }
}
