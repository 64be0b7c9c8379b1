//! Certificate authorities from a file that the operator names.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The largest bundle that is read, in bytes; the usual ones have a quarter of a mebibyte.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The certificates in the PEM file at `path`, each of which can be trusted by rustls.
///
/// # Errors
///
/// If the file cannot be read, or anything in it that says that it is a certificate is none, or
/// there is none at all. The text names neither the path nor what the file holds.
pub(crate) fn bundle(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = crate::config::text_of(path, LARGEST)?;
    let mut store = RootCertStore::empty();
    let mut certificates = Vec::new();
    for (nth, found) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
        let der = found.map_err(|_| format!("certificate {} is not valid PEM", nth + 1))?;
        store.add(der.clone()).map_err(|error| format!("certificate {}: {error}", nth + 1))?;
        certificates.push(der);
    }
    if certificates.is_empty() {
        return Err("holds no certificate (PEM, -----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(certificates)
}
