//! Searches this process' memory for a password that stands in it nowhere but masked.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

/// No letter, and no character of base64, is one with this.
const MASK: u8 = 0x80;
/// Octets of a password that have to be found in a row.
const WINDOW: usize = 12;
/// A window begins at each so-manieth octet.
const STEP: usize = 4;
/// How much is looked at at once.
const PIECE: usize = 64 * 1024;
static ZEROS: [u8; PIECE] = [0; PIECE];

/// A password of 32 letters and digits, each with [`MASK`] on it.
pub(crate) struct Masked(Vec<u8>);

impl Masked {
    pub(crate) fn random() -> Self {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut octets = vec![0; 32];
        rand::fill(&mut octets).unwrap();
        for octet in &mut octets {
            *octet = LETTERS[usize::from(*octet) % LETTERS.len()] | MASK;
        }
        Self(octets)
    }

    /// Writes it as it is. There has to be room for it.
    pub(crate) fn put(&self, to: &mut Vec<u8>) {
        assert!(to.capacity() - to.len() >= self.0.len());
        to.extend(self.0.iter().map(|octet| octet & !MASK));
    }

    /// It, and what it looks like inside base64 after any number of octets; all masked.
    fn forms(&self) -> Vec<Vec<u8>> {
        let mut forms = vec![self.0.clone()];
        for before in 0..3 {
            let mut text = Zeroizing::new(Vec::with_capacity(64));
            text.resize(before, 0);
            self.put(&mut text);
            let characters = (before * 8).div_ceil(6)..text.len() * 8 / 6;
            let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*text));
            let masked = encoded.as_bytes()[characters].iter();
            forms.push(masked.map(|octet| octet | MASK).collect());
        }
        forms
    }
}

/// Where parts of the password are: the mapping, and what stands there.
pub(crate) fn search(password: &Masked) -> Vec<String> {
    let forms = password.forms();
    let windows: Vec<&[u8]> = forms
        .iter()
        .flat_map(|form| form.windows(WINDOW).step_by(STEP))
        .collect();
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut piece = vec![0; PIECE];
    let own = piece.as_ptr() as u64;
    let mut found = Vec::new();
    for mapping in maps.lines() {
        let mut fields = mapping.split_ascii_whitespace();
        let (begin, end) = fields.next().unwrap().split_once('-').unwrap();
        let [begin, end] = [begin, end].map(|at| u64::from_str_radix(at, 16).unwrap());
        if !fields.next().unwrap().starts_with("rw") {
            continue;
        }
        // Pieces overlap, so that no window is cut in two.
        for at in (begin..end).step_by(PIECE - WINDOW) {
            let length = usize::try_from(end - at).unwrap().min(PIECE);
            let piece = &mut piece[..length];
            // The stack of a thread that has ended is gone, though it is listed.
            let gone = memory.read_exact_at(piece, at).is_err();
            if gone || piece == &ZEROS[..length] {
                continue;
            }
            // What was read stands in our own buffer too.
            let first = usize::try_from(own.saturating_sub(at)).unwrap().min(length);
            let last = (own + PIECE as u64).saturating_sub(at);
            let last = usize::try_from(last).unwrap().min(length).max(first);
            piece[first..last].zeroize();
            if windows.iter().any(|window| contains(piece, window)) {
                found.push(mapping.to_owned());
            }
        }
    }
    piece.zeroize();
    found
}

/// Whether the masked octets stand there without their mask.
fn contains(piece: &[u8], masked: &[u8]) -> bool {
    memchr::memchr_iter(masked[0] & !MASK, piece).any(|at| {
        piece[at..]
            .get(..masked.len())
            .is_some_and(|octets| octets.iter().zip(masked).all(|(o, m)| o | MASK == *m))
    })
}
