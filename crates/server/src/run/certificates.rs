//! Reads the certificates that the configuration names, and says everything that is wrong with them.

use pillarbox_names::Host;
use pillarbox_transport::{CertificateError, CertificateFiles, CertificateWarning, Certificates};

/// What came of reading them.
#[derive(Debug, Default)]
pub struct LoadedCertificates {
    /// Those that can be served.
    pub certificates: Certificates,
    /// Why others cannot.
    pub errors: Vec<CertificateError>,
    /// What is served all the same, and the operator has to hear.
    pub warnings: Vec<LoadedWarning>,
}

/// Something the operator has to hear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadedWarning {
    /// About one certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateWarning),
    /// Clients that connect to the configured host name refuse what they are shown (RFC 8314 §5.1, RFC 7817).
    #[error(
        "no certificate names the hostname \"{0}\": clients that connect to it refuse the server; have one issued for this name, or mend \"hostname\""
    )]
    HostnameUnnamed(Host),
}

/// Reads them all, for a server that is called `hostname`.
#[must_use]
pub fn load(files: &[CertificateFiles], hostname: &Host) -> LoadedCertificates {
    let mut loaded = LoadedCertificates::default();
    for files in files {
        match loaded.certificates.add(files) {
            Ok(warnings) => loaded.warnings.extend(warnings.into_iter().map(Into::into)),
            Err(error) => loaded.errors.push(error),
        }
    }
    if !loaded.certificates.is_empty() && !loaded.certificates.knows(hostname.as_str()) {
        loaded
            .warnings
            .push(LoadedWarning::HostnameUnnamed(hostname.clone()));
    }
    loaded
}

impl LoadedCertificates {
    /// Writes errors and warnings to the log.
    pub(crate) fn log(&self) {
        for error in &self.errors {
            tracing::error!("{error}");
        }
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}
