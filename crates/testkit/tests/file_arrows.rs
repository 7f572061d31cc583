//! Inside a crate, arrows between files point one way: no circle, and none from a lower layer to a higher one.
//!
//! The arrows are read from the sources: `use` declarations and paths of `crate`, `super`, `self` and of child
//! modules, without tests. A name that a module only passes on (`pub use`) counts as an arrow to the file that
//! has it, so a facade (`mod.rs`, `lib.rs`) is on a circle only if code of its own is.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot read the project fails"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use pillarbox_testkit::ledger::root;

/// Who names an IMAP command although it is neither of its two files, and why.
const NAMES_A_COMMAND: &[(&str, &str, &str)] = &[
    (
        "proto::imap::server::commands::replace",
        "Append",
        "REPLACE takes a message as APPEND does",
    ),
    (
        "server::imap::message",
        "Append",
        "what is to be stored of a message, for APPEND and REPLACE",
    ),
    (
        "proto::imap::server::dialogue",
        "Idle",
        "the client's next line is no command",
    ),
    (
        "server::imap::session",
        "Idle",
        "client and store are waited for at once, in the smallest future there is",
    ),
];

/// The layers of a crate, lowest first; what stands in one line may not see each other either. A name stands for
/// the file and everything below it.
const LAYERS: &[(&str, &[&[&str]])] = &[
    (
        "server",
        &[
            &["core"],
            &["auth"],
            &["session"],
            &["imap", "pop3", "submission"],
            &["run"],
        ],
    ),
    (
        "proto",
        &[
            &["line", "server_text", "channel", "dots", "message"],
            &["machine"],
            &["sasl"],
            &["server"],
            &["imap", "pop3", "smtp"],
        ],
    ),
    (
        "store",
        &[
            &["embedded::disk", "embedded::names"],
            &["embedded::leases"],
            &["embedded::log"],
            &["embedded::index"],
            &["embedded::operations"],
            &["embedded::shard", "embedded::records"],
            &["embedded::engine"],
        ],
    ),
];

#[test]
fn files_of_a_crate_stand_on_no_circle() {
    let mut found = BTreeMap::new();
    for (name, source) in crates() {
        let arrows = arrows(&source);
        for file in arrows.keys() {
            let reached = reachable(&arrows, file);
            if reached.contains(file.as_str()) {
                let back = arrows[file]
                    .iter()
                    .find(|(to, _)| *to == file || reachable(&arrows, to).contains(file.as_str()))
                    .map(|(to, path)| format!("it uses {path} of {to}, which leads back"));
                found.insert(format!("{name}::{file}"), back);
            }
        }
    }
    assert!(
        found.is_empty(),
        "these files stand on a circle of imports; move what both need into a file below them: {found:#?}"
    );
}

#[test]
fn no_arrow_goes_from_a_lower_layer_to_a_higher_one() {
    let mut found = BTreeSet::new();
    let sources = crates();
    for (name, layers) in LAYERS {
        let arrows = arrows(&sources[*name]);
        let place = |file: &str| {
            layers.iter().enumerate().find_map(|(height, parts)| {
                parts
                    .iter()
                    .find(|part| is_within(file, part))
                    .map(|part| (height, *part))
            })
        };
        for part in layers.iter().flat_map(|parts| parts.iter()) {
            assert!(
                arrows.keys().any(|file| is_within(file, part)),
                "{name} has no {part}: take it out of LAYERS"
            );
        }
        for (file, to) in &arrows {
            for other in to.keys() {
                let (Some((low, from)), Some((high, to))) = (place(file), place(other)) else {
                    continue;
                };
                if low < high || (low == high && from != to) {
                    found.insert(format!("{name}: {file} -> {other}"));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "arrows against the layers; turn them round, or move what both need below them: {found:#?}"
    );
}

/// An IMAP command is one file on each side: nothing but these, the table and the dispatch names its type.
#[test]
fn an_imap_command_is_named_by_its_own_files_alone() {
    const TABLES: [&str; 2] = ["proto::imap::server::commands", "server::imap::commands"];
    let sources = crates();
    let table = &sources["proto"]["imap::server::commands"];
    let start = table.iter().position(|token| token.is("session")).unwrap();
    // `append::Append` of the lines under `session:`, the second time this word stands there.
    let lines = start
        + 1
        + table[start + 1..]
            .iter()
            .position(|token| token.is("session"))
            .unwrap();
    let end = lines
        + table[lines..]
            .iter()
            .position(|token| token.is(";"))
            .unwrap();
    let commands: Vec<(&str, &str)> = table[lines..end]
        .windows(3)
        .filter(|three| three[1].is("::"))
        .map(|three| (three[0].0.as_str(), three[2].0.as_str()))
        .collect();
    assert!(commands.len() > 20, "the table was not read: {commands:?}");
    let mut found = BTreeSet::new();
    for (name, source) in &sources {
        for (module, tokens) in source {
            let file = format!("{name}::{module}");
            if !file.starts_with("proto::imap::server") && !file.starts_with("server::") {
                continue;
            }
            let imports = imports(tokens);
            for (command_file, command) in &commands {
                let is_own = TABLES
                    .iter()
                    .any(|table| file == *table || file == format!("{table}::{command_file}"));
                let is_imported =
                    imports
                        .private
                        .iter()
                        .chain(&imports.passed_on)
                        .any(|(path, _)| {
                            path.last().is_some_and(|last| last == command)
                                && ["pillarbox_proto", "crate", "super", "self"]
                                    .contains(&path[0].as_str())
                        });
                let is_named = imports.rest.windows(3).any(|three| {
                    (three[0].is("Event") || three[0].is(command_file))
                        && three[1].is("::")
                        && three[2].is(command)
                });
                if !is_own && (is_imported || is_named) {
                    found.insert((file.clone(), (*command).to_owned()));
                }
            }
        }
    }
    let known: BTreeSet<_> = NAMES_A_COMMAND
        .iter()
        .map(|(file, command, _)| ((*file).to_owned(), (*command).to_owned()))
        .collect();
    assert_eq!(
        found, known,
        "who names a command that is not its own (left), and who may (right)"
    );
}

fn is_within(file: &str, part: &str) -> bool {
    file.strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A crate's modules by path (`imap::server`; the root is empty), each as tokens without comments, literals and
/// tests.
type Source = BTreeMap<String, Vec<Token>>;

/// For each file, the files it uses and by which path.
type Arrows = BTreeMap<String, BTreeMap<String, String>>;

fn crates() -> BTreeMap<String, Source> {
    let mut found = BTreeMap::new();
    for folder in ["crates", "bins"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let src = entry.unwrap().path().join("src");
            let name = src.parent().unwrap().file_name().unwrap();
            if let Some(file) = ["lib.rs", "main.rs"]
                .map(|file| src.join(file))
                .iter()
                .find(|file| file.is_file())
            {
                let mut source = Source::new();
                read(file, &src, "", &mut source);
                found.insert(name.to_string_lossy().into_owned(), source);
            }
        }
    }
    assert!(found.len() > 5, "the crates were not found");
    found
}

/// Reads a module and those it declares. `folder` is where its children lie.
fn read(file: &Path, folder: &Path, module: &str, source: &mut Source) {
    let tokens = without_tests(tokens(&std::fs::read_to_string(file).unwrap()));
    let children: Vec<String> = tokens
        .windows(3)
        .filter(|three| three[0].is("mod") && three[2].is(";"))
        .map(|three| three[1].0.clone())
        .collect();
    source.insert(module.to_owned(), tokens);
    for child in children {
        let (flat, nested) = (
            folder.join(format!("{child}.rs")),
            folder.join(&child).join("mod.rs"),
        );
        let file: PathBuf = if flat.is_file() { flat } else { nested };
        let below = join(module, &child);
        read(&file, &folder.join(&child), &below, source);
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_owned()
    } else {
        format!("{module}::{name}")
    }
}

/// A word, `::`, or a single sign.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token(String);

impl Token {
    fn is(&self, text: &str) -> bool {
        self.0 == text
    }

    fn is_word(&self) -> bool {
        self.0
            .starts_with(|first: char| first.is_alphanumeric() || first == '_')
    }
}

/// The words and signs of a source text; literals and comments are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            out.push(Token(rest[..length].to_owned()));
            length
        } else if rest.starts_with("::") {
            out.push(Token("::".to_owned()));
            2
        } else {
            if !first.is_whitespace() {
                out.push(Token(first.to_string()));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    out
}

/// The length of a string or character literal at the start of the text.
fn literal(text: &str) -> Option<usize> {
    let unprefixed = text.trim_start_matches(['b', 'r', 'c']);
    let prefix = text.len() - unprefixed.len();
    let hashes = unprefixed.len() - unprefixed.trim_start_matches('#').len();
    if prefix <= 2 && unprefixed[hashes..].starts_with('"') && (hashes == 0 || prefix > 0) {
        let open = prefix + hashes + 1;
        if text[..prefix].contains('r') {
            let end = format!("\"{}", "#".repeat(hashes));
            return text[open..].find(&end).map(|at| open + at + end.len());
        }
        let mut escaped = false;
        for (at, c) in text[open..].char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Some(open + at + 1),
                _ => {}
            }
        }
        return None;
    }
    if prefix <= 1 && unprefixed.starts_with('\'') {
        let mut inside = unprefixed[1..].char_indices();
        let (_, first) = inside.next()?;
        let skipped = if first == '\\' {
            inside.next();
            inside.find(|(_, c)| *c == '\'').map(|(at, _)| at)
        } else {
            inside.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at)
        };
        return skipped.map(|at| prefix + 1 + at + 1);
    }
    None
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let marked = tokens[at..]
            .iter()
            .zip(MARK)
            .filter(|(token, mark)| token.is(mark))
            .count()
            == MARK.len();
        if !marked {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += MARK.len();
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.0.as_str() {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
    out
}

/// A path as written, and the name it is known by afterwards.
type Import = (Vec<String>, String);

/// What a module imports and what it passes on, and the tokens of everything else in it.
#[derive(Default)]
struct Imports {
    private: Vec<Import>,
    passed_on: Vec<Import>,
    rest: Vec<Token>,
}

fn imports(tokens: &[Token]) -> Imports {
    let mut found = Imports::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if !token.is("use") {
            found.rest.push(token.clone());
            at += 1;
            continue;
        }
        let end = at + tokens[at..].iter().position(|token| token.is(";")).unwrap();
        let mut trees = Vec::new();
        tree(&mut tokens[at + 1..end].iter(), &[], &mut trees);
        // `pub`, or the closing parenthesis of `pub(crate)`.
        let is_public = at > 0 && (tokens[at - 1].is("pub") || tokens[at - 1].is(")"));
        if is_public {
            found.passed_on.extend(trees);
        } else {
            found.private.extend(trees);
        }
        at = end + 1;
    }
    found
}

/// One tree of a `use` declaration, up to its comma, closing brace or end.
fn tree(tokens: &mut std::slice::Iter<'_, Token>, prefix: &[String], out: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut pending = false;
    while let Some(token) = tokens.next() {
        match token.0.as_str() {
            "::" => {}
            "as" => name = tokens.next().map(|token| token.0.clone()),
            "{" => {
                tree(tokens, &path, out);
                pending = false;
                path = prefix.to_vec();
                continue;
            }
            "," | "}" => {
                if pending {
                    finish(&path, name.take(), out);
                }
                pending = false;
                path = prefix.to_vec();
                if token.is("}") {
                    return;
                }
            }
            _ => {
                path.push(token.0.clone());
                pending = true;
            }
        }
    }
    if pending {
        finish(&path, name, out);
    }
}

fn finish(path: &[String], name: Option<String>, out: &mut Vec<Import>) {
    let mut path = path.to_vec();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
    out.push((path, name));
}

/// What a path leads to.
enum Place {
    /// An item in this file.
    Item(String),
    /// A module itself.
    Module,
}

struct Crate {
    modules: BTreeSet<String>,
    imports: HashMap<String, Imports>,
}

impl Crate {
    /// The path from the crate's root, if it is one of this crate.
    fn absolute(&self, module: &str, path: &[String]) -> Option<Vec<String>> {
        let mut base: Vec<String> = module
            .split("::")
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        let mut path = path;
        match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" => path = &path[1..],
            "super" => {
                while path.first().is_some_and(|part| part == "super") {
                    base.pop();
                    path = &path[1..];
                }
            }
            first if self.modules.contains(&join(module, first)) => {}
            _ => return None,
        }
        base.extend_from_slice(path);
        Some(base)
    }

    /// Follows a path, through what modules pass on, to where its item is.
    fn resolve(&self, path: &[String], depth: usize) -> Place {
        let mut module = String::new();
        let mut rest = path;
        while let Some(child) = rest.first().map(|part| join(&module, part))
            && self.modules.contains(&child)
        {
            module = child;
            rest = &rest[1..];
        }
        let Some(name) = rest.first() else {
            return Place::Module;
        };
        for (passed, known_as) in &self.imports[&module].passed_on {
            if depth > 8 || known_as != name {
                continue;
            }
            if let Some(mut onward) = self.absolute(&module, passed) {
                onward.extend_from_slice(&rest[1..]);
                return self.resolve(&onward, depth + 1);
            }
        }
        Place::Item(module)
    }
}

fn arrows(source: &Source) -> Arrows {
    let read = Crate {
        modules: source.keys().cloned().collect(),
        imports: source
            .iter()
            .map(|(module, tokens)| (module.clone(), imports(tokens)))
            .collect(),
    };
    let mut all = Arrows::new();
    for module in source.keys() {
        let imports = &read.imports[module];
        let mut found = BTreeMap::new();
        let mut short: HashMap<&str, Vec<String>> = HashMap::new();
        let mut add = |path: &[String], written: &[String]| {
            if let Place::Item(file) = read.resolve(path, 0)
                && file != *module
            {
                found.entry(file).or_insert_with(|| written.join("::"));
            }
        };
        for (path, name) in imports.private.iter().chain(&imports.passed_on) {
            let Some(absolute) = read.absolute(module, path) else {
                continue;
            };
            if matches!(read.resolve(&absolute, 0), Place::Module) {
                short.insert(name.as_str(), absolute);
            } else if imports.private.iter().any(|(_, used)| used == name)
                || imports.rest.iter().any(|token| token.is(name))
            {
                add(&absolute, path);
            }
        }
        for written in paths(&imports.rest) {
            let absolute = match short.get(written[0].as_str()) {
                Some(module) => {
                    let mut path = module.clone();
                    path.extend_from_slice(&written[1..]);
                    Some(path)
                }
                None => read.absolute(module, &written),
            };
            if let Some(absolute) = absolute {
                add(&absolute, &written);
            }
        }
        all.insert(module.clone(), found);
    }
    all
}

/// Every path of two words or more in code.
fn paths(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut joined = false;
    for token in tokens {
        if token.is("::") {
            joined = !path.is_empty();
            continue;
        }
        if !joined && path.len() > 1 {
            out.push(std::mem::take(&mut path));
        }
        if !joined {
            path.clear();
        }
        joined = false;
        if token.is_word() {
            path.push(token.0.clone());
        } else if path.len() > 1 {
            out.push(std::mem::take(&mut path));
        } else {
            path.clear();
        }
    }
    out
}

fn reachable<'a>(arrows: &'a Arrows, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut left: Vec<&str> = arrows[from].keys().map(String::as_str).collect();
    while let Some(next) = left.pop() {
        if seen.insert(next) {
            left.extend(arrows[next].keys().map(String::as_str));
        }
    }
    seen
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let source: Source = [
        (
            "",
            "mod a; pub mod b; pub use b::inner::Deep; fn f() { \"crate::a::X\"; }",
        ),
        (
            "a",
            "use crate::Deep; use super::b::{self, Flat as Round}; // crate::c::X\n",
        ),
        (
            "b",
            "pub mod inner; pub struct Flat; #[cfg(test)] mod tests { use crate::a::X; }",
        ),
        (
            "b::inner",
            "pub struct Deep; fn g(x: crate::b::Flat) -> char { '\"' }",
        ),
        (
            "c",
            "use crate::b; fn h() { b::inner::Deep; let s = r#\"crate::a::X\"#; }",
        ),
    ]
    .into_iter()
    .map(|(module, text)| (module.to_owned(), without_tests(tokens(text))))
    .collect();
    let arrows = arrows(&source);
    let of = |file: &str| arrows[file].keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of(""), Vec::<&str>::new());
    assert_eq!(of("a"), ["b", "b::inner"]);
    assert_eq!(of("b"), Vec::<&str>::new());
    assert_eq!(of("b::inner"), ["b"]);
    assert_eq!(of("c"), ["b::inner"]);
    assert!(reachable(&arrows, "a").contains("b::inner"));
}
