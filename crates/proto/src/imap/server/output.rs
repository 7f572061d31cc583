//! [`Output`]: bytes on their way out, handed over in pieces.

use pillarbox_policy::SecretBytes;

use crate::machine::MAX_OUTPUT;

/// Holds no memory while it is empty.
#[derive(Default)]
pub(super) struct Output(Vec<u8>);

impl Output {
    /// Adds one line; CRLF is put behind it.
    pub(super) fn line(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.extend_from_slice(b"\r\n");
    }

    pub(super) fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// The buffer itself, for writers of strings.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The next piece to write, at most [`MAX_OUTPUT`] octets.
    pub(super) fn next_piece(&mut self) -> Option<SecretBytes> {
        if self.0.is_empty() {
            return None;
        }
        if self.0.len() <= MAX_OUTPUT {
            return Some(std::mem::take(&mut self.0).into());
        }
        let rest = self.0.split_off(MAX_OUTPUT);
        Some(std::mem::replace(&mut self.0, rest).into())
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Output({} octets)", self.0.len())
    }
}
