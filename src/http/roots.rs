//! Certificate authorities from a file named by the operator.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Maximum size of a bundle in bytes. Common ones have a quarter of a mebibyte.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Returns the certificates in the PEM file at `path`; rustls can trust all of them.
///
/// # Errors
///
/// Fails if the file cannot be read, if anything in it labelled as a certificate is not one, or if
/// it has none at all. The text names neither the path nor the content of the file.
pub(crate) fn bundle(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = crate::file::read_text(path, LARGEST)?;
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
