//! What a machine has output and the socket has not taken yet.

use std::collections::VecDeque;
use std::io::IoSlice;

use pillarbox_policy::SecretBytes;

/// How many pieces go into one write.
const PIECES: usize = 16;

/// A queue of output. It may hold a password on its way to a server, so every piece is zeroed when it is
/// done with. Holds no memory while it is empty.
#[derive(Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<SecretBytes>,
    /// Octets of the first piece that were written.
    written: usize,
    /// Octets that were not.
    length: usize,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outgoing({} octets)", self.length)
    }
}

impl Outgoing {
    pub(crate) fn push(&mut self, piece: SecretBytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The next pieces, for a vectored write. Unused slices are empty.
    pub(crate) fn slices(&self) -> [IoSlice<'_>; PIECES] {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut skip = self.written;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece.get(skip..).unwrap_or_default());
            skip = 0;
        }
        slices
    }

    /// `count` octets were written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.length = self.length.saturating_sub(count);
        self.written += count;
        while let Some(first) = self.pieces.front() {
            if self.written < first.len() {
                return;
            }
            self.written -= first.len();
            self.pieces.pop_front();
        }
        self.pieces = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_pushed_comes_out_once_and_in_order(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..40),
            steps in proptest::collection::vec(1usize..60, 1..20),
        ) {
            let mut outgoing = Outgoing::default();
            let mut steps = steps.into_iter().cycle();
            let mut seen = Vec::new();
            for piece in &pieces {
                outgoing.push(piece.clone().into());
            }
            while !outgoing.is_empty() {
                let offered: Vec<u8> = outgoing.slices().iter().flat_map(|slice| slice.to_vec()).collect();
                let count = steps.next().unwrap().min(offered.len());
                prop_assert!(count > 0);
                seen.extend_from_slice(&offered[..count]);
                outgoing.advance(count);
            }
            prop_assert_eq!(seen, pieces.concat());
            prop_assert_eq!(outgoing.pieces.capacity(), 0);
        }
    }
}
