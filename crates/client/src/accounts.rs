//! [`Accounts`]: the accounts of one person, a file each (S2-6, S5.2-2).

use std::path::PathBuf;

use pillarbox_names::AccountAddress;

use crate::{Account, AccountError, Folder, FolderError, LevelNotice};

/// Accounts cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file in it cannot be used.
    #[error("{}: {why}; mend the file, or remove it and set the account up again", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: AccountError,
    },
    /// There is no such account.
    #[error("there is no account {0}; `pillarbox account list` shows those there are")]
    Unknown(AccountAddress),
    /// There is no account at all.
    #[error("no account is set up yet; begin with `pillarbox account add you@example.org`")]
    None,
    /// There is more than one, and nobody said which is meant.
    #[error("there is more than one account; say which with --account ADDRESS")]
    Ambiguous,
    /// It is there already.
    #[error("{0} is set up already; `pillarbox account remove --account {0}` forgets it")]
    Exists(AccountAddress),
}

/// The accounts of one person.
#[derive(Debug, Clone)]
pub struct Accounts {
    folder: Folder,
}

impl Accounts {
    /// The accounts in this folder.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// All of them, by address, each with what the person has to be told about its level.
    ///
    /// # Errors
    /// The folder or a file in it cannot be used.
    pub fn all(&self) -> Result<Vec<(Account, Option<LevelNotice>)>, AccountsError> {
        let folder = self.folder.path().join("accounts");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(FolderError::Io {
                    doing: "read",
                    path: folder,
                    source,
                }
                .into());
            }
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "toml")
            })
            .collect();
        files.sort();
        files
            .into_iter()
            .filter_map(|path| self.read(path).transpose())
            .collect()
    }

    fn read(&self, path: PathBuf) -> Result<Option<(Account, Option<LevelNotice>)>, AccountsError> {
        let Some(text) = Folder::read(&path)? else {
            return Ok(None);
        };
        match Account::from_text(&text) {
            Ok(account) => Ok(Some(account)),
            Err(why) => Err(AccountsError::File { path, why }),
        }
    }

    /// The account of an address, or the only account where none is named.
    ///
    /// # Errors
    /// There is none, or not exactly one, or its file cannot be used. A fault in another account's file does
    /// not stand in the way of a named one (S2-6).
    pub fn find(
        &self,
        address: Option<&AccountAddress>,
    ) -> Result<(Account, Option<LevelNotice>), AccountsError> {
        match address {
            Some(address) => self
                .read(self.file(address))?
                .ok_or_else(|| AccountsError::Unknown(address.clone())),
            None => {
                let mut all = self.all()?;
                match (all.pop(), all.is_empty()) {
                    (Some(only), true) => Ok(only),
                    (Some(_), false) => Err(AccountsError::Ambiguous),
                    (None, _) => Err(AccountsError::None),
                }
            }
        }
    }

    /// Whether an address is set up.
    #[must_use]
    pub fn has(&self, address: &AccountAddress) -> bool {
        self.file(address).exists()
    }

    /// Writes an account, all or nothing, mode 0600.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save(&self, account: &Account) -> Result<(), AccountsError> {
        let path = self.file(&account.address);
        let text = account.to_text().map_err(|why| AccountsError::File {
            path: path.clone(),
            why,
        })?;
        Ok(Folder::write(&path, text.as_bytes())?)
    }

    /// Forgets an account. Its password is forgotten by [`crate::Passwords::forget`].
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn remove(&self, address: &AccountAddress) -> Result<(), AccountsError> {
        Ok(Folder::remove(&self.file(address))?)
    }

    /// The file of an address.
    #[must_use]
    pub fn file(&self, address: &AccountAddress) -> PathBuf {
        self.folder
            .file_of("accounts", &address.to_string(), ".toml")
    }
}

#[cfg(test)]
mod tests {
    use pillarbox_policy::Level;

    use super::*;
    use crate::account::tests::account;

    #[test]
    fn accounts_do_not_touch_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::new(Folder::new(Some(dir.path().to_owned())).unwrap());
        assert!(matches!(accounts.find(None), Err(AccountsError::None)));
        let alice = account();
        let mut bob = account();
        bob.address = AccountAddress::parse("bob@example.org").unwrap();
        accounts.save(&alice).unwrap();
        assert_eq!(accounts.find(None).unwrap().0, alice);
        accounts.save(&bob).unwrap();
        assert!(matches!(accounts.find(None), Err(AccountsError::Ambiguous)));
        // S5.2-2, S2-6: changing one leaves the other's file alone
        let before = std::fs::read(accounts.file(&alice.address)).unwrap();
        bob.level.raise(Level::Tls13);
        accounts.save(&bob).unwrap();
        assert_eq!(
            std::fs::read(accounts.file(&alice.address)).unwrap(),
            before
        );
        assert_eq!(
            accounts
                .find(Some(&bob.address))
                .unwrap()
                .0
                .level()
                .current(),
            Level::Tls13
        );
        // a damaged file stands in nobody else's way
        std::fs::write(accounts.file(&bob.address), "level = 1").unwrap();
        assert!(matches!(
            accounts.find(Some(&bob.address)),
            Err(AccountsError::File { .. })
        ));
        assert!(accounts.find(Some(&alice.address)).is_ok());
        accounts.remove(&bob.address).unwrap();
        assert!(matches!(
            accounts.find(Some(&bob.address)),
            Err(AccountsError::Unknown(_))
        ));
        assert_eq!(accounts.all().unwrap().len(), 1);
    }
}
