//! The field's words, not private ones: names of types that said nothing to a newcomer do not come back.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the project fails"
)]

use std::collections::BTreeSet;
use std::path::Path;

use pillarbox_testkit::ledger::root;

/// Words that name no concept of mail, TLS or programs, and what to say instead.
const PRIVATE: &[(&str, &str)] = &[
    ("Begins", "Start"),
    ("Fate", "Outcome, or what it decides: Disposition, Kept"),
    ("Making", "Creation"),
    ("Owner", "Caller, Session, Driver: who drives a machine"),
    ("Said", "Line, Reply, Text"),
    ("Seat", "Permit, Slot"),
    ("Seats", "Limiter, Semaphore"),
    ("Told", "Report, Notice, Answer"),
    ("Work", "Job, Progress, Step"),
];

#[test]
fn types_are_named_in_the_words_of_the_field() {
    let mut files = Vec::new();
    for folder in ["bins", "crates", "fuzz"] {
        walk(&root().join(folder), &mut files);
    }
    let mut found = BTreeSet::new();
    for (path, text) in &files {
        for line in text.lines() {
            let Some(name) = type_name(line) else {
                continue;
            };
            if words(name).any(|word| PRIVATE.iter().any(|(private, _)| *private == word)) {
                found.insert(format!("{path}: {name}"));
            }
        }
    }
    let advice: Vec<_> = PRIVATE
        .iter()
        .map(|(word, better)| format!("{word}: say {better}"))
        .collect();
    assert!(
        found.is_empty(),
        "private words in type names: {found:#?}\nBetter words:\n{}",
        advice.join("\n")
    );
}

/// Words that could mean several things, the one they mean here, and the files that may declare a type so named.
/// Whatever else is meant gets a name of its own.
const ONE_MEANING: &[(&str, &str, &[&str])] = &[
    (
        "Code",
        "nothing by itself: RefusalCode, ResponseCode, EnhancedCode",
        &[],
    ),
    (
        "Event",
        "what a machine reports to its driver",
        &[
            "crates/proto/src/imap/client/event.rs",
            "crates/proto/src/imap/server/commands/mod.rs",
            "crates/proto/src/pop3/client.rs",
            "crates/proto/src/pop3/server.rs",
            "crates/proto/src/server/event.rs",
            "crates/proto/src/smtp/submission/client/event.rs",
            "crates/proto/src/smtp/submission/server/event.rs",
        ],
    ),
    (
        "Limits",
        "bounds of a machine on what the other side sends",
        &[
            "crates/proto/src/imap/server/limits.rs",
            "crates/proto/src/pop3/server.rs",
            "crates/proto/src/smtp/submission/server/config.rs",
        ],
    ),
    (
        "Login",
        "IMAP's command LOGIN",
        &["crates/proto/src/imap/client/commands/authenticate.rs"],
    ),
    (
        "Phase",
        "how far a session of a protocol has come",
        &[
            "crates/proto/src/imap/client/machine.rs",
            "crates/proto/src/imap/server/state.rs",
            "crates/proto/src/pop3/client.rs",
        ],
    ),
    (
        "Server",
        "the machine of the server's side of a protocol",
        &[
            "crates/proto/src/imap/server/mod.rs",
            "crates/proto/src/pop3/server.rs",
            "crates/proto/src/server/mod.rs",
            "crates/proto/src/smtp/submission/server/mod.rs",
        ],
    ),
    (
        "Violation",
        "how the other side broke the protocol",
        &[
            "crates/proto/src/imap/client/violation.rs",
            "crates/proto/src/pop3/client.rs",
            "crates/proto/src/violation.rs",
        ],
    ),
];

#[test]
fn a_word_that_could_mean_several_things_means_one() {
    let mut files = Vec::new();
    for folder in ["bins", "crates"] {
        walk(&root().join(folder), &mut files);
    }
    files.retain(|(path, _)| path.contains("/src/") && !path.starts_with("crates/testkit"));
    let mut faults = Vec::new();
    for (word, meaning, allowed) in ONE_MEANING {
        let declares = |text: &str| {
            text.lines().any(|line| {
                // An associated type is the word of its trait.
                let is_associated = line.starts_with(' ') && line.trim_start().starts_with("type ");
                !is_associated && type_name(line) == Some(*word)
            })
        };
        let found: BTreeSet<&str> = files
            .iter()
            .filter(|(_, text)| declares(text))
            .map(|(path, _)| path.as_str())
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        for path in found.difference(&allowed) {
            faults.push(format!(
                "{path}: {word} is {meaning}; call this one something else"
            ));
        }
        for path in allowed.difference(&found) {
            faults.push(format!(
                "{path} has no {word} any more: take it out of ONE_MEANING"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn walk(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            walk(&path, files);
        } else if name.ends_with(".rs") {
            let short = path.strip_prefix(root()).unwrap().display().to_string();
            files.push((short, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The name of the type that this line declares.
fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let item = match line.strip_prefix("pub") {
        Some(rest) => rest
            .strip_prefix(' ')
            .or_else(|| rest.split_once(") ").map(|(_, item)| item))?,
        None => line,
    };
    let rest = ["struct ", "enum ", "trait ", "type "]
        .iter()
        .find_map(|keyword| item.strip_prefix(keyword))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
}

/// The words of a name in camel case.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| c.is_uppercase())
            .map_or(rest.len(), |(at, _)| at);
        let (word, tail) = rest.split_at(end);
        rest = tail;
        Some(word)
    })
}

#[test]
fn the_reader_of_names_sees_what_it_should() {
    assert_eq!(
        type_name("pub(crate) struct SeatMap<'a> {"),
        Some("SeatMap")
    );
    assert_eq!(type_name("    enum Fate {"), Some("Fate"));
    assert_eq!(type_name("pub type Told = u8;"), Some("Told"));
    assert_eq!(type_name("let a = b;"), None);
    assert!(words("HalfTold").eq(["Half", "Told"]));
    assert!(words("Network").eq(["Network"]), "not a word inside a word");
}
