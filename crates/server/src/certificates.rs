//! Reads the certificates that the configuration names, and says everything that is wrong with them.

use pillarbox_transport::{CertificateError, CertificateFiles, CertificateWarning, Certificates};

/// What came of reading them.
#[derive(Debug, Default)]
pub struct LoadedCertificates {
    /// Those that can be served.
    pub certificates: Certificates,
    /// Why others cannot.
    pub errors: Vec<CertificateError>,
    /// What is served all the same, and the operator has to hear.
    pub warnings: Vec<CertificateWarning>,
}

/// Reads them all.
#[must_use]
pub fn load(files: &[CertificateFiles]) -> LoadedCertificates {
    let mut loaded = LoadedCertificates::default();
    for files in files {
        match loaded.certificates.add(files) {
            Ok(warnings) => loaded.warnings.extend(warnings),
            Err(error) => loaded.errors.push(error),
        }
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
