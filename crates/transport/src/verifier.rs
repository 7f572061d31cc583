//! The one check of a server's certificate, on implicit TLS and after STARTTLS alike (C15): the path first,
//! then the name (R7817-1).

use std::sync::{Arc, OnceLock};

use pillarbox_policy::PeerProof;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::provider::provider;
use crate::{Roots, ServerIdentity};

/// Verifies one server for one connection, and remembers which reference identity it proved.
#[derive(Debug)]
pub(crate) struct Verifier {
    roots: Roots,
    identity: ServerIdentity,
    srv_label: &'static str,
    algorithms: WebPkiSupportedAlgorithms,
    proved: OnceLock<String>,
}

impl Verifier {
    pub(crate) fn new(
        roots: Roots,
        identity: ServerIdentity,
        srv_label: &'static str,
    ) -> Arc<Self> {
        Arc::new(Self {
            roots,
            identity,
            srv_label,
            algorithms: provider().signature_verification_algorithms,
            proved: OnceLock::new(),
        })
    }

    /// What was proved about the server.
    pub(crate) fn proof(&self) -> PeerProof {
        match self.proved.get() {
            Some(name) => PeerProof::Pkix { name: name.clone() },
            None => PeerProof::Anonymous,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            self.roots.store(),
            intermediates,
            now,
            self.algorithms.all,
        )
        .map_err(|error| match error {
            // An impostor that goes by a trusted authority's name: no path to it all the same.
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                CertificateError::UnknownIssuer.into()
            }
            error => error,
        })?;
        let name = self
            .identity
            .matched_by(end_entity, self.srv_label)
            .ok_or(CertificateError::NotValidForName)?;
        // A verifier serves one handshake, in which this is called once.
        let _ = self.proved.set(name);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
