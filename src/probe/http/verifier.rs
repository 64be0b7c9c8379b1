//! Verification of a target's certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::certificate::{CertificateFault, Declared, other_fault};
use super::settings::Verification;

/// A verifier that reports each error as a [`CertificateFault`].
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) verification: Verification,
    pub(super) roots: Arc<RootCertStore>,
    /// The certificates of `ca_file`. One of them is trusted as the certificate of a server, too: a
    /// self-signed one that was made with the usual tools calls itself an authority.
    pub(super) pinned: Vec<CertificateDer<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateFault> {
        if self.verification == Verification::Off {
            return Ok(());
        }
        let Some(declared) = Declared::of(certificate) else {
            return Err(other_fault(&CertificateError::BadEncoding));
        };
        let parsed = ParsedCertificate::try_from(certificate)
            .map_err(|error| declared.chain_fault(&reason(error), now, intermediates.len()))?;
        if self.verification == Verification::Full && verify_server_name(&parsed, host).is_err() {
            return Err(declared.wrong_name());
        }
        if self.pinned.iter().any(|pinned| pinned == certificate) {
            return declared.wrong_time(now).map_or(Ok(()), Err);
        }
        let Self { roots, algorithms, .. } = self;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            roots,
            intermediates,
            now,
            algorithms.all,
        )
        .map_err(|error| declared.chain_fault(&reason(error), now, intermediates.len()))
    }

    /// Verifies the signature of a handshake, unless nothing is verified.
    fn unless_off(
        &self,
        verify: impl FnOnce() -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.verification {
            Verification::Off => Ok(HandshakeSignatureValid::assertion()),
            Verification::Full | Verification::Chain => verify(),
        }
    }
}

fn reason(error: Error) -> CertificateError {
    match error {
        Error::InvalidCertificate(error) => error,
        _ => CertificateError::ApplicationVerificationFailure,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.verify(certificate, intermediates, host, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(mut fault) => {
                fault.ends = Declared::of(certificate).map(|it| it.ends());
                Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault)))))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.unless_off(|| verify_tls12_signature(message, certificate, signed, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.unless_off(|| verify_tls13_signature(message, certificate, signed, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
