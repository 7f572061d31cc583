//! [`LoginSecret`]: what makes answers about unknown names as steady as those about known ones.

use std::io;
use std::path::Path;

use aws_lc_rs::hmac;
use pillarbox_proto::sasl::ScramKeys;
use pillarbox_transport::random;
use zeroize::Zeroizing;

use super::scram::{SCRAM_ITERATIONS, SCRAM_SALT};

/// Its file in the data folder.
const FILE: &str = "login.secret";

/// A secret of the server, kept in its data folder: without it a name's SCRAM salt would change with every
/// start exactly when the name is unknown.
pub struct LoginSecret(hmac::Key);

impl LoginSecret {
    /// Reads the secret from the data folder, or makes it there (mode 0600) on the first start.
    ///
    /// # Errors
    /// The file cannot be read or made, or was damaged.
    pub fn open(data: &Path) -> io::Result<Self> {
        let path = data.join(FILE);
        match std::fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self::from_bytes(&bytes)),
            Ok(bytes) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} should hold 32 bytes and holds {}; remove it to have a new one made",
                    path.display(),
                    bytes.len()
                ),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = random::bytes::<32>().map_err(io::Error::other)?;
                crate::core::private_file::create(&path, &*bytes)?;
                Ok(Self::from_bytes(&*bytes))
            }
            Err(error) => Err(error),
        }
    }

    /// A secret that is not kept.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn ephemeral() -> io::Result<Self> {
        Ok(Self::from_bytes(
            &*random::bytes::<32>().map_err(io::Error::other)?,
        ))
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// SCRAM keys for a name that is no account: always the same for one name, shaped like real ones, and
    /// matched by no password anyone can find.
    pub(super) fn decoy(&self, login: &str) -> ScramKeys {
        let login = login.to_ascii_lowercase();
        let mut salt = self.derive(b"salt  ", &login).to_vec();
        salt.truncate(SCRAM_SALT);
        ScramKeys {
            salt,
            iterations: SCRAM_ITERATIONS,
            stored_key: self.derive(b"stored", &login),
            server_key: self.derive(b"server", &login),
        }
    }

    fn derive(&self, purpose: &[u8; 6], login: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose);
        context.update(login.as_bytes());
        let mut derived = [0; 32];
        for (to, from) in derived.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        derived
    }
}

impl std::fmt::Debug for LoginSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginSecret(..)")
    }
}
