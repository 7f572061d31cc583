//! The certificate authorities a client trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

/// Why trusted certificates could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// A file that was given cannot be read as PEM.
    #[error("cannot read trusted certificates from {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A file that was given holds a certificate that is none.
    #[error("{} holds something that is not a certificate: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A file that was given holds no certificate at all.
    #[error("{} holds no certificate; expected one or more \"BEGIN CERTIFICATE\" blocks", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The system has no trusted certificates.
    #[error(
        "this system has no trusted certificates; install them (on Debian: apt install ca-certificates), or name a file of them"
    )]
    NoNativeRoots,
}

/// A set of trusted authorities. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Trusts nobody.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(RootCertStore::empty()))
    }

    /// The authorities the operating system trusts. Some that it lists may be unreadable; those are left out.
    ///
    /// # Errors
    /// It lists none at all.
    pub fn native() -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            return Err(RootsError::NoNativeRoots);
        }
        Ok(Self(Arc::new(store)))
    }

    /// Adds the authorities of a PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate, or something else beside.
    pub fn with_pem_file(mut self, path: &Path) -> Result<Self, RootsError> {
        let unreadable = |source| RootsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let store = Arc::make_mut(&mut self.0);
        let before = store.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            store
                .add(certificate.map_err(unreadable)?)
                .map_err(|source| RootsError::Invalid {
                    path: path.to_owned(),
                    source,
                })?;
        }
        if store.len() == before {
            return Err(RootsError::Empty {
                path: path.to_owned(),
            });
        }
        Ok(self)
    }

    pub(crate) fn store(&self) -> &RootCertStore {
        &self.0
    }
}
