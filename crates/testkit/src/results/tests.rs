//! The checker is checked with runs that were made up.

use super::*;

const ROOT: &str = "/home/x/pillarbox";

fn artifacts() -> String {
    let program = |folder: &str, package: &str, source: &str, name: &str| {
        serde_json::json!({
            "reason": "compiler-artifact",
            "package_id": format!("path+file://{ROOT}/{folder}#{package}"),
            "target": {"src_path": format!("{ROOT}/{folder}/{source}")},
            "profile": {"test": true},
            "executable": format!("{ROOT}/target/debug/deps/{name}"),
        })
        .to_string()
    };
    [
        "what is not JSON is passed over".to_owned(),
        program(
            "crates/proto",
            "pillarbox-proto@0.1.0",
            "src/lib.rs",
            "pillarbox_proto-1",
        ),
        program(
            "crates/proto",
            "pillarbox-proto@0.1.0",
            "tests/imap/main.rs",
            "imap-2",
        ),
        program(
            "crates/client",
            "pillarbox-client@0.1.0",
            "tests/attacks.rs",
            "attacks-3",
        ),
        program("bins/pillarboxd", "0.1.0", "tests/attacks.rs", "attacks-4"),
    ]
    .join("\n")
}

const LOG: &str = "\
   Compiling pillarbox-proto v0.1.0
     Running unittests src/lib.rs (target/debug/deps/pillarbox_proto-1)

running 3 tests
test sasl::scram::tests::known_answers ... ok
test limits::at_the_limit ... ok
test limits::tests::one_over - should panic ... ok

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

\u{1b}[32m     Running\u{1b}[0m tests/imap/main.rs (target/debug/deps/imap-2)

running 3 tests
test server::greeting ... ok
test server::login ... FAILED
test client::slow ... ignored, takes an hour

failures:

---- server::login stdout ----
test client::slow ... ok

     Running tests/attacks.rs (target/debug/deps/attacks-3)

running 1 test
test c4_stripped ... ok

     Running tests/attacks.rs (target/debug/deps/attacks-4)

running 2 tests
test c4_stripped ... FAILED

   Doc-tests pillarbox_proto

running 2 tests
test crates/proto/src/sasl/mod.rs - sasl::Nonce::new (line 12) ... ok
test crates/proto/src/sasl/mod.rs - sasl::Nonce (line 30) - compile fail ... FAILED

test result: FAILED. 1 passed
";

fn results() -> Results {
    Results::read(&artifacts(), LOG, Path::new(ROOT))
}

fn fault(reference: &str) -> Option<String> {
    results().fault(&Reference::parse(reference))
}

#[test]
fn what_passed_is_found_by_file_and_function() {
    for reference in [
        "crates/proto/src/sasl/scram/tests.rs#known_answers",
        "crates/proto/src/sasl/scram.rs#known_answers",
        "crates/proto/src/limits.rs#at_the_limit",
        "crates/proto/src/limits.rs#one_over",
        "crates/proto/tests/imap/server.rs#greeting",
        "crates/client/tests/attacks.rs#c4_stripped",
        "crates/proto/src/sasl/mod.rs#doctest:new",
        "crates/proto/src/sasl/mod.rs#doctest:Nonce::new",
    ] {
        assert_eq!(fault(reference), None, "{reference}");
    }
}

#[test]
fn what_is_not_there_or_elsewhere_did_not_run() {
    for reference in [
        "crates/proto/tests/imap/server.rs#no_such_test",
        "crates/proto/tests/imap/client.rs#greeting",
        "crates/proto/tests/imap/main.rs#greeting",
        "crates/proto/tests/pop3/server.rs#greeting",
        "crates/proto/src/sasl.rs#known_answers",
        "crates/store/tests/attacks.rs#c4_stripped",
        "crates/proto/src/sasl/mod.rs#doctest:Other",
        "crates/proto/src/lib.rs#doctest:new",
        "crates/proto/tests/imap/server.rs",
    ] {
        let fault = fault(reference).unwrap_or_default();
        assert!(fault.contains("did not run"), "{reference}: {fault:?}");
    }
}

#[test]
fn what_failed_or_was_ignored_shows_nothing() {
    for (reference, word) in [
        ("crates/proto/tests/imap/server.rs#login", "failed"),
        ("bins/pillarboxd/tests/attacks.rs#c4_stripped", "failed"),
        ("crates/proto/src/sasl/mod.rs#doctest:Nonce", "failed"),
        // what a failed test printed is no result
        ("crates/proto/tests/imap/client.rs#slow", "ignored"),
    ] {
        let fault = fault(reference).unwrap_or_default();
        assert!(fault.contains(word), "{reference}: {fault:?}");
    }
}

#[test]
fn a_binary_that_died_is_told() {
    let rows = [Reference::parse("crates/proto/tests/imap/server.rs#login")];
    let faults = results().faults([("S1-1", &rows[..])]);
    let [died, failed] = faults.as_slice() else {
        panic!("{faults:?}");
    };
    assert!(
        died.starts_with("pillarboxd bins/pillarboxd/tests/attacks.rs: 1 tests"),
        "{died}"
    );
    assert!(failed.starts_with("S1-1: "), "{failed}");
}

#[test]
fn a_run_that_never_was_shows_nothing() {
    let nothing = Results::read("", "", Path::new(ROOT));
    let reference = Reference::parse("crates/proto/tests/imap/server.rs#greeting");
    assert!(nothing.fault(&reference).is_some());
}

#[test]
fn the_list_is_one_line_a_test() {
    let list = results().list();
    assert_eq!(list.lines().count(), 1 + 10);
    assert!(
        list.contains("pillarbox-proto\tcrates/proto/tests/imap/main.rs\tclient::slow\tignored\n")
    );
    assert!(list.contains("pillarboxd\tbins/pillarboxd/tests/attacks.rs\tc4_stripped\tfailed\n"));
}

#[test]
fn an_example_is_named_by_words_in_front_of_it_or_in_it() {
    let text = "//! It opens:\n//! ```\n//! open();\n//! ```\n//! and not twice:\n//! ```compile_fail\n//! twice();\n//! ```\n";
    for (words, line) in [
        ("It opens", Some(2)),
        ("open();", Some(2)),
        ("and not twice", Some(6)),
        ("twice();", Some(6)),
        ("nowhere", None),
    ] {
        assert_eq!(example_of(text, words), line, "{words}");
    }
}
