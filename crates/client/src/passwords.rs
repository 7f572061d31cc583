//! Where passwords are kept: the system's keyring, or a private file where there is none.

use std::path::PathBuf;

use pillarbox_names::AccountAddress;
use pillarbox_policy::Secret;
use serde::{Deserialize, Serialize};

use crate::{Folder, FolderError};

/// The name the keyring shows.
const SERVICE: &str = "pillarbox";

/// Where a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordPlace {
    /// The system's keyring (Secret Service on Linux).
    Keyring,
    /// A file of mode 0600 in the account's folder.
    File,
}

/// A password cannot be stored or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The keyring refused.
    #[error("the system's keyring cannot be used: {0}. Unlock it and try again")]
    Keyring(String),
    /// The file cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is none.
    #[error("no password is stored for {0}; set the account up again with `pillarbox account add`")]
    Missing(AccountAddress),
}

/// The passwords of one person.
#[derive(Debug, Clone)]
pub struct Passwords {
    folder: Folder,
}

impl Passwords {
    /// The passwords beside the accounts in this folder.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Stores a password: in the keyring, or, where `wanted` says so or there is no keyring, in a file.
    /// Answers where it went; a person has to be told about a file.
    ///
    /// # Errors
    /// The file could not be written. A keyring that was asked for by name and refuses is an error too.
    pub async fn store(
        &self,
        address: &AccountAddress,
        password: &Secret,
        wanted: Option<PasswordPlace>,
    ) -> Result<PasswordPlace, PasswordError> {
        if wanted != Some(PasswordPlace::File) {
            let secret = password.clone();
            match on_keyring(address, move |entry| entry.set_password(secret.expose())).await {
                Ok(()) => return Ok(PasswordPlace::Keyring),
                Err(why) if wanted.is_some() => {
                    return Err(PasswordError::Keyring(why.to_string()));
                }
                Err(why) => tracing::debug!(%why, "no keyring"),
            }
        }
        Folder::write(&self.file(address), password.expose().as_bytes())?;
        Ok(PasswordPlace::File)
    }

    /// The password of an address.
    ///
    /// # Errors
    /// It is not there, or its place cannot be used.
    pub async fn find(
        &self,
        address: &AccountAddress,
        place: PasswordPlace,
    ) -> Result<Secret, PasswordError> {
        match place {
            PasswordPlace::Keyring => match on_keyring(address, |entry| entry.get_password()).await
            {
                Ok(password) => Ok(Secret::new(password)),
                Err(keyring::Error::NoEntry) => Err(PasswordError::Missing(address.clone())),
                Err(why) => Err(PasswordError::Keyring(why.to_string())),
            },
            PasswordPlace::File => Folder::read(&self.file(address))?
                .map(Secret::new)
                .ok_or_else(|| PasswordError::Missing(address.clone())),
        }
    }

    /// Forgets the password of an address, which may be gone already.
    ///
    /// # Errors
    /// Its place cannot be used.
    pub async fn forget(
        &self,
        address: &AccountAddress,
        place: PasswordPlace,
    ) -> Result<(), PasswordError> {
        match place {
            PasswordPlace::Keyring => {
                match on_keyring(address, |entry| entry.delete_credential()).await {
                    Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
                    Err(why) => Err(PasswordError::Keyring(why.to_string())),
                }
            }
            PasswordPlace::File => Ok(Folder::remove(&self.file(address))?),
        }
    }

    /// The file an address's password is in, where it is in one.
    #[must_use]
    pub fn file(&self, address: &AccountAddress) -> PathBuf {
        self.folder.file_of("passwords", &address.to_string(), "")
    }
}

/// Does something with the keyring's entry of an address, on a thread that may block.
async fn on_keyring<T: Send + 'static>(
    address: &AccountAddress,
    work: impl FnOnce(&keyring::Entry) -> keyring::Result<T> + Send + 'static,
) -> keyring::Result<T> {
    let user = address.to_string();
    let done =
        tokio::task::spawn_blocking(move || work(&keyring::Entry::new(SERVICE, &user)?)).await;
    done.unwrap_or(Err(keyring::Error::NoDefaultStore))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_file_is_private_and_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let passwords = Passwords::new(Folder::new(Some(dir.path().to_owned())).unwrap());
        let address = AccountAddress::parse("alice@example.org").unwrap();
        let secret = Secret::from("correct horse \n");
        let place = passwords
            .store(&address, &secret, Some(PasswordPlace::File))
            .await
            .unwrap();
        assert_eq!(place, PasswordPlace::File);
        let mode = passwords
            .file(&address)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(passwords.find(&address, place).await.unwrap(), secret);
        passwords.forget(&address, place).await.unwrap();
        let error = passwords.find(&address, place).await.unwrap_err();
        assert!(matches!(error, PasswordError::Missing(_)));
        let shown = format!("{error} {error:?} {passwords:?}");
        assert!(!shown.contains("horse"));
    }
}
