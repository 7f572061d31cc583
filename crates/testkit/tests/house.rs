//! The rules of the house, as tests. Each message says how to mend what it found.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot read the project fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use pillarbox_testkit::ledger::root;
use pillarbox_testkit::needs;

/// Who may depend on whom (without the `pillarbox-` prefix). Dev-dependencies on `testkit` are always allowed.
const ARROWS: [(&str, &[&str]); 12] = [
    ("secret", &[]),
    ("names", &[]),
    ("policy", &["names", "secret"]),
    ("proto", &["policy", "names"]),
    ("store", &["policy", "names"]),
    ("discover", &["policy", "names"]),
    ("transport", &["policy", "proto", "names"]),
    (
        "server",
        &["transport", "proto", "store", "policy", "names"],
    ),
    (
        "client",
        &["transport", "proto", "discover", "policy", "names"],
    ),
    // The crates from `client` on with the feature `world` alone.
    (
        "testkit",
        &[
            "policy",
            "names",
            "store",
            "client",
            "discover",
            "proto",
            "server",
            "transport",
        ],
    ),
    (
        "pillarboxd",
        &["server", "transport", "store", "policy", "names"],
    ),
    (
        "pillarbox",
        &["client", "discover", "transport", "policy", "names"],
    ),
];

/// Crates that the sans-IO half may never see.
const IO_CRATES: [&str; 6] = [
    "tokio",
    "rustls",
    "tokio-rustls",
    "socket2",
    "rusqlite",
    "hickory-resolver",
];

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Name, description and dependencies (name, kind) of every member.
fn members() -> BTreeMap<String, (String, Vec<(String, String)>)> {
    let short = |name: &str| name.strip_prefix("pillarbox-").unwrap_or(name).to_owned();
    metadata()["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let dependencies =
                package["dependencies"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|dependency| {
                        (
                            short(dependency["name"].as_str().unwrap()),
                            dependency["kind"].as_str().unwrap_or("normal").to_owned(),
                        )
                    });
            let description = package["description"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            (
                short(package["name"].as_str().unwrap()),
                (description, dependencies.collect()),
            )
        })
        .collect()
}

/// Every Rust file of the workspace with its path from the root, without build output.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    for folder in ["bins", "crates", "fuzz", "bench"] {
        if root.join(folder).is_dir() {
            walk(&root.join(folder), &mut found);
        }
    }
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_owned(), text)
        })
        .collect()
}

/// The lines of a file that are code, numbered from 1: no comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
        .filter(|(_, line)| !line.trim().is_empty())
}

fn assert_none(faults: &[String], advice: &str) {
    assert!(faults.is_empty(), "{advice}\n{}", faults.join("\n"));
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let members = members();
    let ours: BTreeSet<&str> = members.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        ours, known,
        "a member was added or removed: give it its arrows in this test and in ARCHITECTURE.md"
    );
    let mut faults = Vec::new();
    for (name, allowed) in ARROWS {
        for (dependency, kind) in &members[name].1 {
            let internal = ours.contains(dependency.as_str());
            let fine = !internal || allowed.contains(&dependency.as_str()) || kind == "dev";
            if !fine {
                faults.push(format!("{name} -> {dependency}"));
            }
            let pure = ["names", "policy", "proto"].contains(&name);
            if pure && kind == "normal" && IO_CRATES.contains(&dependency.as_str()) {
                faults.push(format!("{name} -> {dependency}: this crate does no IO"));
            }
        }
    }
    assert_none(
        &faults,
        "these dependencies are not among the arrows of ARCHITECTURE.md; move the code instead:",
    );
}

#[test]
fn the_architecture_page_lists_exactly_the_members() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(
        page.lines().count() <= 200,
        "ARCHITECTURE.md has {} lines, 200 are allowed",
        page.lines().count()
    );
    let listed: BTreeMap<String, String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter_map(|(name, rest)| Some((name.to_owned(), rest.strip_suffix(" |")?.to_owned())))
        .filter(|(name, _)| !name.contains(['/', ' ']))
        .collect();
    let members: BTreeMap<String, String> = members()
        .into_iter()
        .map(|(name, (description, _))| (name, description))
        .collect();
    assert_eq!(
        listed, members,
        "the table of ARCHITECTURE.md and the crates' descriptions differ"
    );
}

#[test]
fn every_crate_says_what_it_is_for() {
    let faults: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| {
            path.ends_with("lib.rs") || path.components().any(|part| part.as_os_str() == "src")
        })
        .filter(|(_, text)| !text.trim_start().starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert_none(
        &faults,
        "these files do not open with a `//!` saying what they are for:",
    );
}

#[test]
fn no_file_is_too_long() {
    let faults: Vec<String> = sources()
        .into_iter()
        .filter_map(|(path, text)| {
            let is_test = path.components().any(|part| part.as_os_str() == "tests");
            let limit = if is_test { 1500 } else { 1000 };
            let lines = text.lines().count();
            (lines > limit)
                .then(|| format!("{}: {lines} lines, {limit} are allowed", path.display()))
        })
        .collect();
    assert_none(&faults, "split these files by what they are about:");
}

#[test]
fn policy_stays_readable_in_one_sitting() {
    let lines: usize = sources()
        .iter()
        .filter(|(path, _)| path.starts_with("crates/policy/src"))
        .map(|(_, text)| text.lines().count())
        .sum();
    assert!(
        lines <= 1500,
        "crates/policy/src has {lines} lines, 1,500 are allowed: move what is not policy elsewhere"
    );
}

#[test]
fn no_bool_says_that_something_is_confidential() {
    const WORDS: [&str; 5] = ["tls", "secure", "strict", "plain", "verify"];
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (number, line) in code(&text) {
            let Some(before) = line
                .split(": bool")
                .next()
                .filter(|before| before.len() < line.len())
            else {
                continue;
            };
            let name: String = before
                .chars()
                .rev()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let name: String = name.chars().rev().collect();
            if name.split('_').any(|part| WORDS.contains(&part)) {
                faults.push(format!("{}:{number}: {name}: bool", path.display()));
            }
        }
    }
    assert_none(
        &faults,
        "say it with a type that carries the reason (TlsFacts, NoTls, Level, ...):",
    );
}

/// Where every login is answered, and the store with the tests that look at it.
const LOGIN_ANSWER: &[&str] = &[
    "crates/server/src/auth/",
    "crates/server/tests/",
    "crates/store/",
];

/// What security rests on, and the places (or their beginnings) that may call it.
const FEW_CALLERS: [(&str, &[&str]); 7] = [
    // Facts come from a finished handshake.
    (
        "TlsFacts::assertion(",
        &[
            "crates/transport/src/facts.rs",
            "crates/testkit/src/facts.rs",
            "crates/policy/src/facts.rs",
            "fuzz/src/lib.rs",
        ],
    ),
    // Only the machine that writes a password may open its box. (What the store releases are savepoints.)
    (
        ".release(",
        &[
            "crates/proto/src/imap/client/",
            "crates/proto/src/pop3/client/",
            "crates/proto/src/sasl/client",
            "crates/proto/src/smtp/submission/client/",
            "crates/policy/",
            "crates/store/",
            // A client that a test holds up in the middle of an exchange.
            "crates/server/tests/suite/logins.rs",
            "fuzz/",
        ],
    ),
    // One answer to every login: nobody else writes the record, counts a failure or moves the ladder.
    ("logins.record(", LOGIN_ANSWER),
    ("throttle.failed(", LOGIN_ANSWER),
    (".move_ladder(", LOGIN_ANSWER),
    // Whoever reads the grants stamps when.
    (
        "Grants::restore(",
        &[
            "crates/store/src/embedded/records/grants.rs",
            "crates/policy/",
            "crates/proto/src/sasl/logins/tests.rs",
            "crates/proto/tests/channels/",
            "crates/transport/tests/suite/conversations.rs",
        ],
    ),
    // A consent is given by a person, or read back from that person's own file.
    (
        "restore_from_account_file(",
        &["crates/client/src/account.rs", "crates/policy/"],
    ),
];

#[test]
fn facts_are_minted_and_passwords_released_in_one_place_each() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let place = path.display().to_string();
        if place == "crates/testkit/tests/house.rs" {
            continue;
        }
        for (number, line) in code(&text) {
            for (call, places) in FEW_CALLERS {
                if line.contains(call) && !places.iter().any(|known| place.starts_with(known)) {
                    faults.push(format!("{place}:{number}: {call}"));
                }
            }
        }
    }
    assert_none(
        &faults,
        "these calls belong to few places, which FEW_CALLERS lists with the reason:",
    );
}

/// With this feature a connection drives any machine; without it only the one it started.
#[test]
fn only_tests_drive_connections_by_hand() {
    let metadata = metadata();
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        for (feature, enables) in package["features"].as_object().unwrap() {
            let enables = enables.as_array().unwrap();
            let by_feature = enables
                .iter()
                .any(|enabled| enabled.as_str().unwrap().contains("hand-driven"));
            if by_feature {
                faults.push(format!("{name}: the feature {feature}"));
            }
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let features = dependency["features"].as_array().unwrap();
            let enabled = features.iter().any(|feature| feature == "hand-driven");
            // `testkit` is a dev-dependency itself.
            let is_dev = dependency["kind"] == "dev" || name == "pillarbox-testkit";
            if enabled && !is_dev {
                faults.push(format!("{name} -> {}", dependency["name"]));
            }
        }
    }
    assert_none(
        &faults,
        "only dev-dependencies may switch on pillarbox-transport's feature hand-driven:",
    );
}

#[test]
fn no_code_calls_unsafe_or_is_named_utils() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if [
            "util", "utils", "common", "helper", "helpers", "manager", "misc",
        ]
        .contains(&stem.as_str())
        {
            faults.push(format!(
                "{}: name it after what it is about",
                path.display()
            ));
        }
        if path.ends_with("tests/house.rs") {
            continue;
        }
        for (number, line) in code(&text) {
            if line.contains("todo!(")
                || line.contains("unimplemented!(")
                || line.contains("unsafe {")
            {
                faults.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert_none(&faults, "these have no place here:");
}

#[test]
fn every_message_machine_has_a_fuzz_target_with_seeds() {
    let root = root();
    let mut faults = Vec::new();
    let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    let mut targets = 0;
    for entry in std::fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        targets += 1;
        if !manifest.contains(&format!("name = \"{name}\"")) {
            faults.push(format!("fuzz/Cargo.toml has no [[bin]] {name}"));
        }
        let seeds =
            std::fs::read_dir(root.join("fuzz/seeds").join(&name)).map_or(0, Iterator::count);
        if seeds == 0 {
            faults.push(format!("fuzz/seeds/{name} has no seed"));
        }
    }
    assert!(targets > 0);
    for protocol in ["imap", "pop3", "submission"] {
        for end in ["server", "client"] {
            for state in ["clear", "sealed"] {
                let name = format!("{protocol}_{end}_{state}");
                if !root.join(format!("fuzz/fuzz_targets/{name}.rs")).is_file() {
                    faults.push(format!("fuzz/fuzz_targets/{name}.rs is missing"));
                }
            }
        }
    }
    assert_none(
        &faults,
        "each machine in each state is fuzzed from a committed seed corpus:",
    );
}

#[test]
fn what_tests_need_from_the_machine_is_found_in_one_way() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if path.ends_with("tests/house.rs") {
            continue;
        }
        for (number, line) in code(&text) {
            let by_name =
                line.contains("Command::new(\"") && !line.contains("Command::new(\"sh\")");
            if by_name
                || line.contains("eprintln!(\"skipped")
                || line.contains("println!(\"skipped")
            {
                faults.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    let script = std::fs::read_to_string(root().join("scripts/install-test-needs")).unwrap();
    for program in needs::PROGRAMS {
        let installed = format!("{}:", program.package());
        if !script.contains(&installed) {
            faults.push(format!("scripts/install-test-needs has no {installed}"));
        }
    }
    assert_none(
        &faults,
        "take programs, ports and our own programs from pillarbox_testkit::needs, which fails where they must be there:",
    );
}

/// The suites above the store have one world, and no second way to a server, a client by hand, a DNS or a log.
#[test]
fn suites_take_their_world_from_testkit() {
    const OF_TESTKIT: [&str; 7] = [
        "NameServer::start(",
        " Listener::bind(",
        "impl Machine for",
        "impl Person for",
        "MakeWriter",
        "PILLARBOX_CONFIG_DIR\", &",
        "--ports-file",
    ];
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let place = path.to_string_lossy();
        let suites = ["crates/server/tests", "crates/client/tests", "bins/"];
        if !(suites.iter().any(|suite| place.starts_with(suite)) && place.contains("/tests/")) {
            continue;
        }
        for (number, line) in code(&text) {
            if OF_TESTKIT.iter().any(|word| line.contains(word)) {
                faults.push(format!("{place}:{number}: {}", line.trim()));
            }
        }
    }
    let advice = "testkit has these: world::World, world::Computer, Site, programs, Log:";
    assert_none(&faults, advice);
}

#[test]
fn tests_live_in_folders_and_few_programs() {
    let faults: Vec<String> = sources()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| {
            let in_tests = path
                .parent()
                .is_some_and(|folder| folder.ends_with("tests"));
            // These have folders of their own to come, and helpers that run as programs.
            let exempt = path.starts_with("crates/store") || path.starts_with("crates/testkit");
            in_tests && !exempt && path.iter().count() == 4
        })
        .map(|path| path.display().to_string())
        .collect();
    assert_none(
        &faults,
        "each of these is linked as a program of its own; make it a module of tests/suite/ or of its protocol's folder:",
    );
}

/// The traits of the store: the handle in `Stores`, the trait, and its methods.
fn store_traits() -> Vec<(String, String, Vec<String>)> {
    let files: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| path.starts_with("crates/store/src"))
        .map(|(_, text)| text)
        .collect();
    let stores = std::fs::read_to_string(root().join("crates/store/src/stores.rs")).unwrap();
    let handles = stores.lines().filter_map(|line| {
        let (handle, rest) = line.trim().strip_prefix("pub ")?.split_once(": Arc<dyn ")?;
        Some((handle.to_owned(), rest.trim_end_matches(">,").to_owned()))
    });
    handles
        .map(|(handle, name)| {
            let head = format!("pub trait {name}: ");
            let file = files.iter().find(|text| text.contains(&head));
            let (_, body) = file.unwrap().split_once(&head).unwrap();
            let (body, _) = body.split_once("\n}\n").unwrap();
            let methods = body.lines().filter_map(|line| {
                let (before, after) = line.split_once("fn ")?;
                let is_head = before.trim().is_empty() || before.trim() == "async";
                is_head.then(|| after.split('(').next().unwrap().to_owned())
            });
            let methods = methods.collect();
            (handle, name, methods)
        })
        .collect()
}

#[test]
fn every_method_of_the_store_is_under_a_law() {
    let laws: String = sources()
        .into_iter()
        .filter(|(path, _)| {
            path.starts_with("crates/store/tests/conformance")
                || path.starts_with("crates/store/tests/steps")
        })
        .map(|(_, text)| text.split_whitespace().collect::<String>())
        .collect();
    let traits = store_traits();
    assert!(traits.len() >= 8, "{traits:?}");
    let mut faults = Vec::new();
    for (handle, name, methods) in traits.iter().filter(|(_, name, _)| name != "Engine") {
        if methods.is_empty() || methods.len() > 24 {
            faults.push(format!("{name} has {} methods", methods.len()));
        }
        for method in methods {
            if !laws.contains(&format!(".{handle}.{method}(")) {
                faults.push(format!("{name}::{method} is asked for by no law"));
            }
        }
    }
    assert_none(
        &faults,
        "a trait of the store is small, and each of its methods is tried on every engine by crates/store/tests/conformance:",
    );
}

#[test]
fn the_server_knows_traits_and_no_engine() {
    let faults: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| {
            path.starts_with("crates/server/src") && !path.ends_with("core/storage.rs")
        })
        .filter(|(_, text)| code(text).any(|(_, line)| line.contains("Embedded")))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert_none(
        &faults,
        "the engine is chosen in server/src/core/storage.rs; everybody else takes handles from `Stores`:",
    );
}

/// Types whose octets may be a password, or what serves in its stead.
const HOLD_SECRETS: [&str; 14] = [
    "Secret",
    "SecretBytes",
    "Line",
    "LineBuffer",
    "Cursor",
    "Output",
    "Outgoing",
    "ScramKeys",
    "PasswordKeys",
    "Verifiers",
    "StoredVerifiers",
    "AdminRequest",
    "LoginSecret",
    "Remembered",
];

/// What a field that holds a password or a key is called.
const SECRET_FIELDS: [&str; 6] = [
    "password",
    "passphrase",
    "initial",
    "salted",
    "client_key",
    "secret",
];

#[test]
fn secrets_are_zeroed_and_never_printed() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let is_product = path.starts_with("crates") || path.starts_with("bins");
        let is_test = path.ends_with("tests.rs")
            || path.iter().any(|part| part == "tests" || part == "testkit");
        if !is_product || is_test {
            continue;
        }
        let mut derives = String::new();
        let product = text.split("#[cfg(test)]\nmod tests {").next();
        for (number, line) in code(product.unwrap_or_default()) {
            let line = line.trim();
            let words: Vec<&str> = line
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .collect();
            if line.starts_with("#[derive(") {
                derives = line.to_owned();
            } else if let Some(at) = words
                .iter()
                .position(|word| ["struct", "enum"].contains(word))
                && let Some(name) = words.get(at + 1)
            {
                if let Some(name) = HOLD_SECRETS.iter().find(|held| *held == name)
                    // Another line: of a message's header.
                    && !path.ends_with("message/header.rs")
                {
                    let _known = seen.insert(*name);
                    if derives.contains("Debug") {
                        faults.push(format!("{}:{number}: {name} prints itself", path.display()));
                    }
                }
                derives.clear();
            }
            let field = line
                .trim_start_matches("pub ")
                .trim_start_matches("pub(super) ");
            if let Some((name, kind)) = field.split_once(": ")
                && SECRET_FIELDS.contains(&name)
            {
                let kind = kind.trim_start_matches("Option<");
                if ["String", "Vec<u8>", "[u8;", "Box<[u8]>"]
                    .iter()
                    .any(|plain| kind.starts_with(plain))
                {
                    faults.push(format!("{}:{number}: {line}", path.display()));
                }
            }
        }
    }
    for name in HOLD_SECRETS {
        if !seen.contains(name) {
            faults.push(format!(
                "{name} is no more: take it off the list of this test"
            ));
        }
    }
    for program in ["pillarbox", "pillarboxd"] {
        let main =
            std::fs::read_to_string(root().join(format!("bins/{program}/src/main.rs"))).unwrap();
        for needed in [
            "#[global_allocator]\nstatic ALLOCATOR: ZeroAlloc<System>",
            "forbid_core_dumps()",
        ] {
            if !main.contains(needed) {
                faults.push(format!("{program} has no {needed}"));
            }
        }
    }
    assert_none(
        &faults,
        "hold it in pillarbox_policy::Secret or SecretBytes, or in zeroize::Zeroizing, and write a Debug that shows none of it:",
    );
}
