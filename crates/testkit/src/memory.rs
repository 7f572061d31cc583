//! Searches the memory of another process for what was once a secret there.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "dev-only: places that a search has found are there"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Octets of a secret that have to be found in a row. Shorter remains are chance as well as leak.
const WINDOW: usize = 12;
/// A window begins at each so-manieth octet, so a remainder of `WINDOW + STEP - 1` octets is always found.
const STEP: usize = 4;

/// What is searched for, and what it was used for.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What it was used for.
    pub what: String,
    /// The secret.
    pub octets: Vec<u8>,
}

/// One place where a secret, or a part of it, was found.
#[derive(Debug)]
pub struct Find {
    /// What the secret was used for.
    pub what: String,
    /// How it was written there.
    pub form: &'static str,
    /// Where the whole of it would begin.
    address: u64,
    /// The mapping that it was found in.
    mapping: String,
    /// Whether it lies in a buffer of the TLS library; an allocation of 4,096 octets or more that begins as a record does.
    pub in_record_buffer: bool,
    /// What stands around it.
    around: String,
}

impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}) at {:#x} in {}{}: {}",
            self.what,
            self.form,
            self.address,
            self.mapping,
            if self.in_record_buffer {
                ", in a TLS record buffer"
            } else {
                ""
            },
            self.around
        )
    }
}

/// Everything that is searched for, in every form.
#[derive(Debug)]
pub struct Search {
    automaton: AhoCorasick,
    /// By pattern: the secret's number, its form, and where in the form the pattern stands.
    patterns: Vec<(usize, &'static str, usize)>,
    whats: Vec<String>,
}

impl Search {
    /// Of these.
    pub fn new(secrets: Vec<Secret>) -> Self {
        let (mut texts, mut patterns, mut whats) = (Vec::new(), Vec::new(), Vec::new());
        for (number, secret) in secrets.into_iter().enumerate() {
            for (form, text) in forms(&secret.octets) {
                assert!(text.len() >= WINDOW + STEP, "{} is too short", secret.what);
                for at in (0..=text.len() - WINDOW).step_by(STEP) {
                    patterns.push((number, form, at));
                    texts.push(text[at..at + WINDOW].to_vec());
                }
            }
            whats.push(secret.what);
        }
        Self {
            automaton: AhoCorasick::new(&texts).unwrap(),
            patterns,
            whats,
        }
    }

    /// Searches everything that the process can write to.
    ///
    /// # Errors
    /// The process' memory may not be read.
    pub fn memory_of(&self, process: u32) -> io::Result<Vec<Find>> {
        let memory = File::open(format!("/proc/{process}/mem"))?;
        let stacks = stack_pointers(process)?;
        let mut found = BTreeMap::new();
        for (addresses, name) in writable(process)? {
            let mut octets = vec![0; usize::try_from(addresses.end - addresses.start).unwrap()];
            memory.read_exact_at(&mut octets, addresses.start)?;
            let name = stacks
                .iter()
                .find(|(pointer, _)| addresses.contains(pointer))
                .map_or(name, |(_, thread)| format!("stack of {thread}"));
            let hits = written(&octets).flat_map(|part| {
                let begin = part.start;
                let hits = self.automaton.find_iter(&octets[part]);
                hits.map(move |hit| (hit.pattern().as_usize(), begin + hit.start()))
            });
            for (pattern, hit) in hits {
                let (number, form, at) = self.patterns[pattern];
                let begin = (addresses.start + hit as u64).saturating_sub(at as u64);
                found.entry((number, form, begin)).or_insert_with(|| Find {
                    what: self.whats[number].clone(),
                    form,
                    address: begin,
                    mapping: name.clone(),
                    in_record_buffer: in_record_buffer(&octets, hit),
                    around: octets[hit.saturating_sub(64)..]
                        .iter()
                        .take(64 + 48)
                        .flat_map(|octet| octet.escape_ascii())
                        .map(char::from)
                        .collect(),
                });
            }
        }
        Ok(found.into_values().collect())
    }

    /// Searches a text for whole secrets and parts of them.
    pub fn text(&self, text: &[u8]) -> Vec<String> {
        self.automaton
            .find_iter(text)
            .map(|hit| self.patterns[hit.pattern().as_usize()])
            .map(|(number, form, _)| format!("{} ({form})", self.whats[number]))
            .collect()
    }
}

/// The parts that do not consist of pages of nothing but zeros, as most of a stack does.
fn written(octets: &[u8]) -> impl Iterator<Item = Range<usize>> {
    const PAGE: usize = 4096;
    let is_zero = |page: &[u8]| page == &[0; PAGE][..page.len()];
    let pages: Vec<bool> = octets.chunks(PAGE).map(|page| !is_zero(page)).collect();
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (number, _) in pages.iter().enumerate().filter(|(_, written)| **written) {
        let (begin, end) = (number * PAGE, octets.len().min((number + 1) * PAGE));
        match parts.last_mut() {
            Some(last) if last.end == begin => last.end = end,
            _ => parts.push(begin..end),
        }
    }
    parts.into_iter()
}

/// The octets themselves, and what they look like inside base64 after any number of octets before them.
fn forms(octets: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("as it is", octets.to_vec())];
    for (form, before) in [("base64 +0", 0), ("base64 +1", 1), ("base64 +2", 2)] {
        let mut all = vec![0; before];
        all.extend_from_slice(octets);
        // A character holds six bits; those that are not wholly the secret's do not count.
        let characters = (before * 8).div_ceil(6)..all.len() * 8 / 6;
        let text = STANDARD_NO_PAD.encode(&all).as_bytes()[characters].to_vec();
        forms.push((form, text));
    }
    forms
}

/// Whether `at` lies in what rustls reads TLS records into, and decrypts them in place: an allocation of glibc's
/// of 4,096 octets or more that begins with the header of a record.
fn in_record_buffer(octets: &[u8], at: usize) -> bool {
    const LEAST: usize = 4096;
    const MOST: usize = 64 * 1024;
    // Allocations are aligned to 16 octets, like mappings; their size with flags stands in front of them.
    (at.saturating_sub(MOST)..=at)
        .filter(|begin| begin % 16 == 0)
        .any(|begin| {
            let header = begin
                .checked_sub(8)
                .and_then(|size| octets.get(size..begin + 3));
            let Some([s0, s1, s2, s3, 0, 0, 0, 0, 20..=23, 3, 1 | 3]) = header else {
                return false;
            };
            let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize & !7;
            (LEAST..=MOST).contains(&size) && at < begin + size - 8
        })
}

/// The mappings that the process can write to, and what they are.
fn writable(process: u32) -> io::Result<Vec<(Range<u64>, String)>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    Ok(maps
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (begin, end) = fields.next()?.split_once('-')?;
            let begin = u64::from_str_radix(begin, 16).ok()?;
            let end = u64::from_str_radix(end, 16).ok()?;
            let writable = fields.next()?.starts_with("rw");
            let name = fields.nth(3).unwrap_or("anonymous memory").to_owned();
            writable.then_some((begin..end, name))
        })
        .collect())
}

/// Where the stack of each thread is, and the thread's name.
fn stack_pointers(process: u32) -> io::Result<Vec<(u64, String)>> {
    let mut stacks = Vec::new();
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?.path();
        let syscall = fs::read_to_string(task.join("syscall"))?;
        let pointer = syscall
            .split_ascii_whitespace()
            .rev()
            .nth(1)
            .and_then(|pointer| u64::from_str_radix(pointer.trim_start_matches("0x"), 16).ok());
        if let Some(pointer) = pointer {
            let name = fs::read_to_string(task.join("comm"))?;
            stacks.push((pointer, format!("thread {}", name.trim_end())));
        }
    }
    Ok(stacks)
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let secret = "a secret of more than 24 octets";
    let search = Search::new(vec![Secret {
        what: "it".to_owned(),
        octets: secret.into(),
    }]);
    for before in 0..9 {
        let text = format!("{}{secret} and more", "x".repeat(before));
        assert!(!search.text(text.as_bytes()).is_empty());
        let encoded = STANDARD_NO_PAD.encode(&text);
        assert!(!search.text(encoded.as_bytes()).is_empty(), "{encoded}");
    }
    assert!(
        search
            .text(b"nothing that looks like it, at all")
            .is_empty()
    );
}
