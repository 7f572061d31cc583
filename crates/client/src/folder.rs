//! The folder that holds a person's accounts, and writing into it so that a crash leaves the old file or the
//! new one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Nobody told where it is.
    #[error(
        "there is no home folder to keep accounts in; name one with --config-dir or PILLARBOX_CONFIG_DIR"
    )]
    NoHome,
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// A folder of the person's, readable by nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// The given folder, or the one this system keeps configuration in. It is made when first written to.
    ///
    /// # Errors
    /// [`FolderError::NoHome`].
    pub fn new(given: Option<PathBuf>) -> Result<Self, FolderError> {
        given
            .or_else(|| {
                use etcetera::BaseStrategy;
                let strategy = etcetera::choose_base_strategy().ok()?;
                Some(strategy.config_dir().join("pillarbox"))
            })
            .map(Self)
            .ok_or(FolderError::NoHome)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file of an address in one of its subfolders.
    pub(crate) fn file_of(&self, subfolder: &str, address: &str, extension: &str) -> PathBuf {
        self.0
            .join(subfolder)
            .join(format!("{}{extension}", file_name(address)))
    }

    /// Writes a file of mode 0600 in place of an older one, all or nothing.
    pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), FolderError> {
        let parent = path.parent().unwrap_or(Path::new("."));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed("create", parent))?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                // a leftover of ours may have had another mode
                file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
                file.write_all(contents)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&temporary, path))
            .and_then(|()| File::open(parent)?.sync_all());
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(failed("write", path))
    }

    /// Reads a file; `None` where there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<String>, FolderError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(failed("read", path)(why)),
        }
    }

    /// Removes a file, which may be gone already.
    pub(crate) fn remove(path: &Path) -> Result<(), FolderError> {
        match std::fs::remove_file(path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(why)),
            _ => Ok(()),
        }
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io {
        doing,
        path,
        source,
    }
}

/// An address as a file name: letters, digits and `@._+-` stand for themselves, anything else as `%XX`.
fn file_name(address: &str) -> String {
    address
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'@' | b'.' | b'_' | b'+' | b'-' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        assert_eq!(file_name("alice+x@example.org"), "alice+x@example.org");
        assert_eq!(file_name("../a/b@example.org"), "..%2Fa%2Fb@example.org");
        assert_eq!(file_name("100%@example.org"), "100%25@example.org");
    }

    #[test]
    fn files_are_private_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts").join("a.toml");
        Folder::write(&path, b"one").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        Folder::write(&path, b"two").unwrap();
        assert_eq!(Folder::read(&path).unwrap().as_deref(), Some("two"));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
        Folder::remove(&path).unwrap();
        Folder::remove(&path).unwrap();
        assert_eq!(Folder::read(&path).unwrap(), None);
    }
}
