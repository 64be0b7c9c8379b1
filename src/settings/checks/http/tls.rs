//! The keys of https alone.

use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::field::{At, Field, FieldReader};
use crate::config::in_force::ValueInForce;
use crate::config::rule::{self, integer, text};
use crate::file;
use crate::probe::http::{ClientFiles, DEFAULT_CERT_DAYS, TlsSettings, Verification};
use crate::settings::checks::{CheckContext, HOME};

/// Maximum size of a file with certificates, in bytes: the whole of Mozilla's has a quarter of it.
const LARGEST: u64 = 1024 * 1024;

/// Maximum of `cert_days`: more than any public certificate lasts.
const MOST_DAYS: i64 = 825;

/// The values of these keys.
pub(super) struct TlsKeys {
    tls: Field<Verification>,
    ca_file: Field<PathBuf>,
    client_cert: Field<PathBuf>,
    client_key: Field<PathBuf>,
    cert_days: Field<u16>,
}

impl TlsKeys {
    /// Takes the values out of a table.
    pub(super) fn parse(values: &mut FieldReader<'_>) -> Self {
        let allowed = "\"verify\" (issuer and name), \"chain\" (issuer alone) or \"off\" (nothing)";
        Self {
            tls: values.one(HOME, "tls", text(allowed, verification)),
            ca_file: values.one(HOME, "ca_file", rule::path),
            client_cert: values.one(HOME, "client_cert", rule::path),
            client_key: values.one(HOME, "client_key", rule::path),
            cert_days: values.one(HOME, "cert_days", integer(0, MOST_DAYS)),
        }
    }

    /// Validates the values together, with the files that they name.
    pub(super) fn validate(&self, check: &mut CheckContext<'_, '_>) {
        if let Some(at) = self.ca_file.present() {
            if self.verification() == Verification::Off {
                check.refuse(&at.spot, "not used with tls = \"off\", which verifies nothing");
            } else {
                let roots = certificates(at, check);
                let unusable =
                    roots.into_iter().find_map(|root| RootCertStore::empty().add(root).err());
                if let Some(why) = unusable {
                    check.refuse(
                        &at.spot,
                        format!("{} holds a certificate that cannot be used: {why}", at.bare()),
                    );
                }
            }
        }
        match (self.client_cert.present(), self.client_key.present()) {
            (Some(certificate), Some(key)) => refuse_unusable(certificate, key, check),
            (Some(certificate), None) if self.client_key.is_absent() => {
                check.refuse(
                    &certificate.spot,
                    "not used without client_key, the file with its private key",
                );
            }
            (None, Some(key)) if self.client_cert.is_absent() => {
                check.refuse(
                    &key.spot,
                    "not used without client_cert, the file with its certificate",
                );
            }
            _ => {}
        }
    }

    /// Returns the extent to which the certificate is verified.
    fn verification(&self) -> Verification {
        self.tls.or(Verification::Full)
    }

    /// Returns the settings.
    pub(super) fn settings(&self, check: &CheckContext<'_, '_>) -> TlsSettings {
        let client = match (self.client_cert.value(), self.client_key.value()) {
            (Some(certificate), Some(key)) => Some(ClientFiles {
                certificate: check.file.resolve(certificate),
                key: check.file.resolve(key),
            }),
            _ => None,
        };
        TlsSettings {
            verification: self.verification(),
            ca_file: self.ca_file.value().map(|path| check.file.resolve(path)),
            client,
            cert_days: self.cert_days.or(DEFAULT_CERT_DAYS),
        }
    }

    /// Returns the values in force, with their places.
    pub(super) fn values(&self) -> Vec<ValueInForce> {
        let word = match self.verification() {
            Verification::Full => "verify",
            Verification::Chain => "chain",
            Verification::Off => "off",
        };
        let days = self.cert_days.or(DEFAULT_CERT_DAYS).to_string();
        let mut values = vec![
            ValueInForce::new("tls", word.to_owned(), self.tls.spot()),
            ValueInForce::new("cert_days", days, self.cert_days.spot()),
        ];
        for (key, file) in [
            ("ca_file", &self.ca_file),
            ("client_cert", &self.client_cert),
            ("client_key", &self.client_key),
        ] {
            if let Some(at) = file.present() {
                values.push(ValueInForce::new(key, at.bare().to_owned(), Some(&at.spot)));
            }
        }
        values
    }
}

/// Refuses a client certificate with which no connection can be made.
fn refuse_unusable(certificate: &At<PathBuf>, key: &At<PathBuf>, check: &mut CheckContext<'_, '_>) {
    let chain = certificates(certificate, check);
    let path = check.file.secret_file(key, &key.value);
    let text = match file::read_text(&path, LARGEST) {
        Ok(text) => text,
        Err(why) => return check.refuse(&key.spot, format!("{}: {why}", key.bare())),
    };
    let Ok(parsed) = PrivateKeyDer::from_pem_slice(text.as_bytes()) else {
        let what = "holds no private key in PEM, unencrypted: PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY";
        return check.refuse(&key.spot, format!("{} {what}", key.bare()));
    };
    if chain.is_empty() {
        return;
    }
    let provider = rustls::crypto::ring::default_provider();
    if let Err(why) = rustls::sign::CertifiedKey::from_der(chain, parsed, &provider) {
        let what = format!("{} is not the key of {}: {why}", key.bare(), certificate.bare());
        check.refuse(&key.spot, what);
    }
}

/// Returns the certificates in a file, at least one. If there is none, that was reported.
fn certificates(
    at: &At<PathBuf>,
    check: &mut CheckContext<'_, '_>,
) -> Vec<CertificateDer<'static>> {
    let path = check.file.resolve(&at.value);
    let text = match file::read_text(&path, LARGEST) {
        Ok(text) => text,
        Err(why) => {
            check.refuse(&at.spot, format!("{}: {why}", at.bare()));
            return Vec::new();
        }
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => found,
        _ => {
            check.refuse(&at.spot, format!("{} holds no certificate in PEM", at.bare()));
            Vec::new()
        }
    }
}

fn verification(text: &str) -> Option<Verification> {
    match text {
        "verify" => Some(Verification::Full),
        "chain" => Some(Verification::Chain),
        "off" => Some(Verification::Off),
        _ => None,
    }
}
