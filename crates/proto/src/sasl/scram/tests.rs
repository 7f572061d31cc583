//! The published example, on both ends.

use super::{
    client::{self, Binding},
    keys::ScramKeys,
    server::{Start, Variant},
};
use crate::sasl::server::{Failure, ScramOutcome};
use crate::sasl::{Nonce, coding};

const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn keys() -> ScramKeys {
    let salt = coding::decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    ScramKeys::derive(&"pencil".into(), &salt, 4096).unwrap()
}

fn server(client_final: &str) -> Result<(ScramOutcome, Vec<u8>), Failure> {
    let start = Start {
        variant: Variant::Alone,
        nonce: Nonce::of_example(SERVER_NONCE),
    };
    let mut login = None;
    let waiting = start.client_first(CLIENT_FIRST.as_bytes(), &mut login)?;
    assert_eq!(login.as_deref(), Some("user"));
    let (last, server_first) = waiting.keys(keys());
    assert_eq!(server_first, SERVER_FIRST.as_bytes());
    let finished = last.client_final(client_final.as_bytes())?;
    Ok((finished.outcome, finished.server_final))
}

#[test]
fn rfc7677_section_3_server() {
    let (outcome, server_final) = server(CLIENT_FINAL).unwrap();
    assert!(matches!(outcome, ScramOutcome::Proved(_)));
    assert_eq!(server_final, SERVER_FINAL.as_bytes());
}

#[test]
fn rfc7677_section_3_client() {
    let (waiting, first) = client::start(
        "user",
        "pencil".into(),
        &Binding::CannotBind,
        Nonce::of_example(CLIENT_NONCE),
    );
    assert_eq!(first.as_slice(), CLIENT_FIRST.as_bytes());
    let (waiting, last) = waiting.server_first(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!(last.as_slice(), CLIENT_FINAL.as_bytes());
    assert_eq!(waiting.server_final(SERVER_FINAL.as_bytes()), Ok(()));
}

#[test]
fn another_proof_nonce_or_binding_is_told_apart() {
    let proof = CLIENT_FINAL.replace("p=dHzb", "p=dHzc");
    assert_eq!(server(&proof).unwrap().0, ScramOutcome::Refuted);
    let nonce = CLIENT_FINAL.replace("hNlF$k0", "hNlF$k1");
    assert_eq!(server(&nonce).unwrap_err(), Failure::NonceMismatch);
    let binding = CLIENT_FINAL.replace("c=biws", "c=eSws");
    assert_eq!(server(&binding).unwrap_err(), Failure::BindingMismatch);
}
