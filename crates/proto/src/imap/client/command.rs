//! How a command is written, and why it cannot be.

use std::collections::VecDeque;

use pillarbox_policy::SecretBytes;
use zeroize::Zeroizing;

use super::mailbox::MailboxName;
use crate::imap::grammar::{SequenceSet, is_flag, quoted};

/// Why a command cannot be given. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotNow {
    /// Another command is under way, or the conversation is over.
    #[error("another command is under way")]
    Busy,
    /// It needs a login first.
    #[error("not logged in")]
    NotAuthenticated,
    /// The login has happened already.
    #[error("logged in already")]
    Authenticated,
    /// It needs a mailbox to be selected first.
    #[error("no mailbox is selected")]
    NotSelected,
    /// The server does not list what it needs.
    #[error("the server does not offer {0}")]
    Unsupported(&'static str),
    /// The argument cannot be written in IMAP.
    #[error("{0}")]
    BadArgument(&'static str),
}

/// A command's text, in the segments between which the server has to allow a literal.
pub(super) struct CommandText(VecDeque<SecretBytes>);

impl CommandText {
    pub(super) fn new(text: &str) -> Self {
        let mut command = Self(VecDeque::from([SecretBytes::new()]));
        command.text(text);
        command
    }

    pub(super) fn text(&mut self, text: &str) {
        self.octets(text.as_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        if let Some(segment) = self.0.back_mut() {
            segment.extend_from_slice(octets);
        }
    }

    /// A string: quoted, or else a literal.
    pub(super) fn string(&mut self, octets: &[u8]) -> Result<(), NotNow> {
        if octets.contains(&0) {
            return Err(NotNow::BadArgument("a NUL cannot be sent"));
        }
        if let Some(text) = quoted(octets) {
            self.text(&Zeroizing::new(text));
        } else {
            self.text(&format!("{{{}}}\r\n", octets.len()));
            self.0.push_back(SecretBytes::new());
            self.octets(octets);
        }
        Ok(())
    }

    pub(super) fn mailbox(&mut self, name: &MailboxName) -> Result<(), NotNow> {
        self.string(name.as_wire())
    }

    pub(super) fn uids(&mut self, uids: &SequenceSet) -> Result<(), NotNow> {
        if uids.is_empty() {
            return Err(NotNow::BadArgument("no UIDs were given"));
        }
        self.text(&uids.to_string());
        Ok(())
    }

    pub(super) fn flags(&mut self, flags: &[&str]) -> Result<(), NotNow> {
        if !flags.iter().all(|flag| is_flag(flag)) {
            return Err(NotNow::BadArgument(
                "a flag is an atom, perhaps with a backslash in front",
            ));
        }
        self.text(&format!("({})", flags.join(" ")));
        Ok(())
    }

    pub(super) fn finish(mut self) -> VecDeque<SecretBytes> {
        self.text("\r\n");
        self.0
    }
}
