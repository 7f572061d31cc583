//! What an account's connections are made with: name server, trust anchor, extra authorities.

use std::net::SocketAddr;
use std::path::PathBuf;

use pillarbox_discover::{DiscoverError, Resolver, ResolverSettings};
use pillarbox_transport::{Roots, RootsError};
use serde::{Deserialize, Serialize};

/// A person's own network, where it differs from the world's. Empty for most people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkSettings {
    /// The name server to ask in place of this computer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_server: Option<SocketAddr>,
    /// DNSKEY records to believe in place of the root's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_anchor: Option<String>,
    /// A PEM file of authorities to trust beside this computer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// The network's settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkSettingsError {
    /// Name resolution.
    #[error(transparent)]
    Resolver(#[from] DiscoverError),
    /// Trusted authorities.
    #[error(transparent)]
    Roots(#[from] RootsError),
}

impl NetworkSettings {
    pub(crate) fn resolver(&self) -> Result<Resolver, NetworkSettingsError> {
        Ok(Resolver::new(&ResolverSettings {
            name_server: self.name_server,
            trust_anchor: self.trust_anchor.clone(),
        })?)
    }

    /// This computer's authorities, and those of the file. With a file, a computer without any will do.
    pub(crate) fn roots(&self) -> Result<Roots, NetworkSettingsError> {
        let roots = match (Roots::native(), &self.ca_file) {
            (Ok(roots), _) => roots,
            (Err(_), Some(_)) => Roots::empty(),
            (Err(why), None) => return Err(why.into()),
        };
        Ok(match &self.ca_file {
            Some(file) => roots.with_pem_file(file)?,
            None => roots,
        })
    }
}
