//! Messages to try things on: some of our own, and a folder of real and broken ones where there is one.

use std::path::{Path, PathBuf};

use crate::ledger::root;

/// A message of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its file, or what is odd about it.
    pub name: String,
    /// All of its octets.
    pub content: Vec<u8>,
}

/// What mail may look like, small enough to write down: name and content.
const OWN: [(&str, &[u8]); 14] = [
    ("plain", b"From: a@example.org\r\nSubject: plain\r\n\r\nA rose.\r\n"),
    ("no line end at the end", b"Subject: cut\r\n\r\nby any other name"),
    ("no body", b"From: a@example.org\r\nSubject: no body\r\n\r\n"),
    ("header alone", b"From: a@example.org\r\nSubject: header alone\r\n"),
    ("empty field", b"Subject:\r\n\r\nbody\r\n"),
    ("dots", b"Subject: dots\r\n\r\n.\r\n..\r\n...x\r\nx.\r\n"),
    ("octets of no charset", b"Subject: \xe9t\xe9\r\n\r\n\x80\xff\xfe\r\n"),
    ("UTF-8", "Subject: Grüße\r\n\r\n☃\r\n".as_bytes()),
    ("encoded words", b"Subject: =?utf-8?q?Gr=C3=BC?=\r\n =?iso-8859-1?b?3w==?=\r\n\r\n\r\n"),
    ("bare line feeds", b"Subject: unix\nFrom: a@example.org\n\nbody\nmore\n"),
    ("bare carriage returns", b"Subject: mac\r\rbody\r"),
    ("NUL", b"Subject: nul\r\n\r\n\0\r\n"),
    (
        "multipart",
        b"Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
          before\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\none\r\n--b\r\n\
          Content-Type: message/rfc822\r\n\r\nSubject: within\r\n\r\ntwo\r\n--b--\r\nafter\r\n",
    ),
    (
        "a boundary that is never closed",
        b"Subject: open\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n\
          Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n",
    ),
];

/// Our own messages, and every file of the folder that `PILLARBOX_CORPUS` names (`../shared/corpus` unless told),
/// which may be absent. Never empty.
#[must_use]
pub fn corpus() -> Vec<Sample> {
    let own = OWN.iter().map(|(name, content)| Sample {
        name: (*name).to_owned(),
        content: content.to_vec(),
    });
    let folder = std::env::var_os("PILLARBOX_CORPUS")
        .map_or_else(|| root().join("../shared/corpus"), PathBuf::from);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort_by(|one, other| one.name.cmp(&other.name));
    own.chain(files).collect()
}

fn collect(folder: &Path, files: &mut Vec<Sample>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.file_name().is_none_or(|name| name != "README.md")
            && let Ok(content) = std::fs::read(&path)
        {
            files.push(Sample {
                name: path.display().to_string(),
                content,
            });
        }
    }
}
