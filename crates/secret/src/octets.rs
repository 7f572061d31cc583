//! The buffer for octets that may be secret.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::Secret;

/// The least room a buffer takes once it holds anything, in octets.
const LEAST: usize = 64;

/// Octets that may hold a secret on their way: a line from the network, a message of SASL, what is written to the
/// peer. Zeroed whenever they are done with, which a `Vec` is not when it grows, shrinks or moves its content.
/// Prints its length only and compares in constant time.
///
/// ```
/// use pillarbox_secret::SecretBytes;
/// let mut line = SecretBytes::from(b"PASS hunter2");
/// line.extend_from_slice(b"\r\n");
/// assert_eq!(format!("{line:?}"), "SecretBytes(14 octets)");
/// ```
#[derive(Clone, Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// An empty buffer. Takes no memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for so many octets.
    #[must_use]
    pub fn with_capacity(octets: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(octets)))
    }

    /// How many octets fit in before it takes new memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// The octets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Appends these octets. When they do not fit, the memory they stood in until now is zeroed.
    pub fn extend_from_slice(&mut self, octets: &[u8]) {
        let needed = self.0.len().saturating_add(octets.len());
        if needed > self.0.capacity() {
            let room = self.0.capacity().saturating_mul(2).max(needed).max(LEAST);
            let mut grown = Self::with_capacity(room);
            grown.0.extend_from_slice(&self.0);
            *self = grown;
        }
        self.0.extend_from_slice(octets);
    }

    /// Appends one octet.
    pub fn push(&mut self, octet: u8) {
        self.extend_from_slice(&[octet]);
    }

    /// Keeps the first `length` octets and zeroes the rest.
    pub fn truncate(&mut self, length: usize) {
        self.0.get_mut(length..).unwrap_or_default().zeroize();
        self.0.truncate(length);
    }

    /// Zeroes everything; the memory is kept.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Reads the first line, at most `most` octets of it, with no other buffer in between. Its end is left out.
    ///
    /// # Errors
    /// The reader failed.
    pub fn read_line(reader: &mut impl io::Read, most: usize) -> io::Result<Self> {
        let mut line = Self(Zeroizing::new(vec![0; most]));
        let mut length = 0;
        while let Some(room) = line.0.get_mut(length..).filter(|room| !room.is_empty()) {
            match reader.read(room) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if line.iter().take(length).any(|octet| *octet == b'\n') {
                break;
            }
        }
        line.truncate(length);
        let first = line
            .split(|octet| *octet == b'\n')
            .next()
            .unwrap_or_default();
        let returns = first.iter().rev().take_while(|octet| **octet == b'\r');
        let length = first.len() - returns.count();
        line.truncate(length);
        Ok(line)
    }

    /// Takes the first `count` octets off, at most all that there are.
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Self {
        if count >= self.0.len() {
            return std::mem::take(self);
        }
        let (first, rest) = self.0.split_at(count);
        let (first, length) = (Self::from(first), rest.len());
        self.0.copy_within(count.., 0);
        self.truncate(length);
        first
    }
}

/// The text that these octets are in UTF-8, without a copy.
impl TryFrom<SecretBytes> for Secret {
    type Error = NotUtf8;

    fn try_from(mut octets: SecretBytes) -> Result<Self, NotUtf8> {
        String::from_utf8(std::mem::take(&mut *octets.0))
            .map(Self::new)
            .map_err(|error| {
                drop(SecretBytes::from(error.into_bytes()));
                NotUtf8
            })
    }
}

/// The octets of a secret are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not UTF-8 text")]
pub struct NotUtf8;

impl From<&[u8]> for SecretBytes {
    fn from(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }
}

impl<const N: usize> From<&[u8; N]> for SecretBytes {
    fn from(octets: &[u8; N]) -> Self {
        Self::from(octets.as_slice())
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(octets: Zeroizing<Vec<u8>>) -> Self {
        Self(octets)
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for SecretBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl io::Write for SecretBytes {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} octets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_pieces_of_any_size() {
        let mut buffer = SecretBytes::new();
        assert_eq!(buffer.capacity(), 0);
        for octet in 0..=255 {
            buffer.push(octet);
        }
        let mut seen = Vec::new();
        for size in [0, 1, 100, 3, 200] {
            seen.extend_from_slice(&buffer.split_to(size));
        }
        assert_eq!(seen, (0..=255).collect::<Vec<u8>>());
        assert_eq!(buffer.capacity(), 0, "what is empty takes no memory");
    }

    #[test]
    fn what_was_cut_off_is_zeroed_where_it_stood() {
        let mut buffer = SecretBytes::from(b"secret word");
        buffer.truncate(3);
        let mut room = std::mem::take(&mut *buffer.0);
        room.resize(11, b'x');
        assert_eq!(room, b"secxxxxxxxx");
    }
}
