//! What the driver of a server's machine asks it beside its events.

use std::sync::Arc;

use pillarbox_policy::{LoginAbort, LoginOutcome};
use pillarbox_proto::line::LineError;
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, LoginsInClear, Nonce};
use pillarbox_proto::server::{ClearEvent, Goodbye, ServerMachine, StartTls};
use pillarbox_proto::smtp::submission::server::Config;
use pillarbox_proto::{
    AsksForPermit, Clear, LoginMachine, Machine, Sealed, Start, Step, Violation, imap, pop3,
    smtp::submission,
};
use pillarbox_testkit::facts;

use crate::channels::clear;

fn submission() -> submission::server::Server<Sealed> {
    let config = Arc::new(Config::new("mail.example.org"));
    Start::start(&Sealed::new(facts()), config)
}

fn pop3() -> pop3::server::Server<Sealed> {
    Start::start(&Sealed::new(facts()), pop3::server::Config::default())
}

fn imap() -> imap::server::Server<Sealed> {
    let limits = imap::server::Limits::default();
    Start::start(&Sealed::new(facts()), limits)
}

/// What a machine answers to this, up to its next event or the want of input.
fn answer<M: Machine>(machine: &mut M, input: &str) -> (String, Option<M::Event>) {
    machine.input(input.as_bytes());
    let mut out = Vec::new();
    loop {
        match machine.poll() {
            Step::Output(octets) => out.extend_from_slice(&octets),
            Step::Event(event) => return (String::from_utf8(out).unwrap(), Some(event)),
            _ => return (String::from_utf8(out).unwrap(), None),
        }
    }
}

/// An exchange that is under way when the connection ends has one end, for the record (S4-17).
#[test]
fn an_exchange_ends_with_its_connection() {
    fn ends(machine: &mut impl ServerMachine, begin: &str) {
        assert_eq!(machine.abort_login(LoginAbort::Disconnected), None);
        answer(machine, begin);
        let event = machine.abort_login(LoginAbort::Disconnected).unwrap();
        let LoginQuestion::Ended { outcome, .. } = event.question else {
            panic!("{event:?}");
        };
        assert_eq!(outcome, LoginOutcome::Aborted(LoginAbort::Disconnected));
        assert_eq!(machine.abort_login(LoginAbort::Disconnected), None);
    }
    ends(&mut submission(), "EHLO x\r\nAUTH PLAIN\r\n");
    ends(&mut pop3(), "AUTH PLAIN\r\n");
    ends(&mut imap(), "a AUTHENTICATE PLAIN\r\n");
}

/// A line that is too long ends an exchange and not the session.
#[test]
fn an_exchange_ends_with_a_line_too_long() {
    fn ends(mut machine: impl LoginMachine, begin: &str, refusal: &str) {
        answer(&mut machine, begin);
        machine.answer_login(LoginAnswer::Nonce(Nonce::from_random([1; Nonce::RANDOM])));
        answer(&mut machine, &format!("{}\r\n", "A".repeat(70_000)));
        machine.answer_login(LoginAnswer::Recorded);
        let (said, _) = answer(&mut machine, "");
        assert!(said.starts_with(refusal), "{said}");
    }
    ends(submission(), "EHLO x\r\nAUTH PLAIN\r\n", "500 5.5.6 ");
    ends(pop3(), "AUTH PLAIN\r\n", "-ERR line too long");
    ends(
        imap(),
        "a AUTHENTICATE PLAIN\r\n",
        "a BAD The line is too long",
    );
}

/// What cannot be read as lines ends the session, also in an exchange (S1).
#[test]
fn an_exchange_ends_with_what_is_no_line() {
    fn ends(mut machine: impl LoginMachine, begin: &str) {
        answer(&mut machine, begin);
        let nonce = Nonce::from_random([1; Nonce::RANDOM]);
        machine.answer_login(LoginAnswer::Nonce(nonce));
        let (challenge, _) = answer(&mut machine, "");
        assert!(["334 \r\n", "+ \r\n"].contains(&challenge.as_str()));
        machine.input(b"AGFu\nbgBz\r\n");
        let violation = loop {
            match machine.poll() {
                Step::Output(_) => {}
                Step::Err(violation) => break Some(violation),
                _ => break None,
            }
        };
        let expected = Violation::Line(LineError::BareLf);
        assert_eq!(violation, Some(expected), "{begin}");
    }
    ends(submission(), "EHLO x\r\nAUTH PLAIN\r\n");
    ends(pop3(), "AUTH PLAIN\r\n");
}

#[test]
fn a_client_has_the_name_it_gave_itself_where_it_can() {
    let mut submission = submission();
    assert_eq!(submission.client_name(), None);
    answer(&mut submission, "EHLO laptop.example\r\n");
    let name = submission.client_name();
    assert_eq!(name.as_deref(), Some("laptop.example"));
    let mut pop3 = pop3();
    answer(&mut pop3, "CAPA\r\n");
    assert_eq!(pop3.client_name(), None);
    // Its ID is an event, for the session to keep.
    assert_eq!(imap().client_name(), None);
}

/// After the reply to STARTTLS nothing is said in the clear, not even a goodbye: the client would take it for TLS.
#[test]
fn between_starttls_and_the_handshake_the_server_is_silent() {
    fn is_silent(mut machine: impl ServerMachine + AsksForPermit, line: &str) {
        let (said, event) = answer(&mut machine, line);
        assert!(!said.is_empty());
        assert_eq!(clear_event(&machine, event), Some(ClearEvent::StartTls));
        machine.say_goodbye(Goodbye::ShuttingDown);
        assert_eq!(answer(&mut machine, "").0, "");
    }
    fn clear_event<M: AsksForPermit>(_: &M, event: Option<M::Event>) -> Option<ClearEvent> {
        M::clear_event(&event?)
    }
    let pop3: pop3::server::Server<Clear> = Start::start(
        &clear(),
        (pop3::server::Config::default(), LoginsInClear::NotListed),
    );
    is_silent(pop3, "STLS\r\n");
    let config = Arc::new(Config::new("mail.example.org"));
    let submission: submission::server::Server<Clear> =
        Start::start(&clear(), (config, LoginsInClear::NotListed));
    is_silent(submission, "EHLO x\r\nSTARTTLS\r\n");
    let imap: imap::server::Server<Clear> = Start::start(
        &clear(),
        imap::server::ClearSettings {
            limits: imap::server::Limits::default(),
            starttls: StartTls::Offered,
            logins: LoginsInClear::NotListed,
        },
    );
    is_silent(imap, "a STARTTLS\r\n");
}

#[test]
fn who_said_quit_hears_no_second_goodbye() {
    fn is_silent(mut machine: impl ServerMachine) {
        let (said, _) = answer(&mut machine, "QUIT\r\n");
        assert!(!said.is_empty());
        machine.say_goodbye(Goodbye::ShuttingDown);
        assert_eq!(answer(&mut machine, "").0, "");
    }
    is_silent(submission());
    is_silent(pop3());
}
