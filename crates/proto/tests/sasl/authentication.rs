//! Logging in on a connection, as a protocol's machine drives it: what is asked of the session, what goes on record,
//! and what the client is told.

use pillarbox_policy::{
    LadderRefusal, LoginAbort, LoginOutcome, LoginRefusal, MayAuthenticate, Tampering,
    may_authenticate,
};
use pillarbox_proto::ChannelState;
use pillarbox_proto::sasl::{
    Authentication, AuthenticationStep as Step, LoginAnswer, LoginEvent, LoginMethod,
    LoginQuestion, LoginReply, MAX_LINE, Mechanism, coding,
};

use crate::channels::{clear, window};
use crate::server::{bound, client_final, keys, nonce, unbound};

const ANN: &str = "ann";
const PLAIN: &[u8] = b"\0ann\0right";

fn on(channel: &impl ChannelState) -> Authentication {
    match may_authenticate(channel.view(), Some(&window())) {
        MayAuthenticate::Yes(permit) => Authentication::new(&permit),
        MayAuthenticate::NotBeforeTls => panic!("there is a window"),
    }
}

fn asked(step: Step) -> LoginQuestion {
    match step {
        Step::Ask(LoginEvent { question, .. }) => question,
        other => panic!("{other:?}"),
    }
}

fn challenged(step: Step) -> Vec<u8> {
    match step {
        Step::Challenge(line) => coding::decode(line.as_bytes()).unwrap().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn replied(step: Step) -> LoginReply {
    match step {
        Step::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// The attempt is over: whose it was, how it ended, and what the client is told once that is on record.
fn ended(
    authentication: &mut Authentication,
    step: Step,
) -> (Option<String>, LoginOutcome, LoginReply) {
    let LoginQuestion::Ended { login, outcome } = asked(step) else {
        panic!("it goes on");
    };
    let step = authentication.answer(LoginAnswer::Recorded).unwrap();
    let reply = replied(step);
    let after = authentication.answer(LoginAnswer::Recorded);
    assert!(after.is_none(), "it is over");
    (login, outcome, reply)
}

fn ann() -> Option<String> {
    Some(ANN.to_owned())
}

fn password() -> LoginQuestion {
    LoginQuestion::Password {
        login: ANN.to_owned(),
        password: "right".into(),
    }
}

fn success() -> LoginReply {
    LoginReply::Success {
        login: ANN.to_owned(),
    }
}

/// PLAIN with an initial response, up to the question about its password.
fn plain(authentication: &mut Authentication) {
    let initial = coding::encode(PLAIN);
    let step = authentication.begin(b"plain", Some(initial.as_bytes()));
    assert_eq!(asked(step), LoginQuestion::Nonce);
    let step = authentication.answer(LoginAnswer::Nonce(nonce())).unwrap();
    assert_eq!(asked(step), password());
}

/// An exchange up to where the client owes a line.
fn waiting(authentication: &mut Authentication, mechanism: &[u8]) -> Vec<u8> {
    let step = authentication.begin(mechanism, None);
    assert_eq!(asked(step), LoginQuestion::Nonce);
    challenged(authentication.answer(LoginAnswer::Nonce(nonce())).unwrap())
}

#[test]
fn the_words_of_records() {
    for (method, word) in [
        (LoginMethod::LoginCommand, "LOGIN"),
        (LoginMethod::UserPass, "USER"),
        (LoginMethod::Sasl(Mechanism::Login), "LOGIN"),
        (LoginMethod::Sasl(Mechanism::Plain), "PLAIN"),
        (LoginMethod::Sasl(Mechanism::ScramSha256), "SCRAM-SHA-256"),
        (
            LoginMethod::Sasl(Mechanism::ScramSha256Plus),
            "SCRAM-SHA-256-PLUS",
        ),
    ] {
        assert_eq!(method.as_str(), word);
    }
}

#[test]
fn what_counts_as_a_failed_attempt() {
    use LoginReply as Reply;
    for (reply, is_failure) in [
        (success(), false),
        (Reply::UnknownMechanism, false),
        (Reply::BindingUsed, false),
        (Reply::PrivacyRequired, true),
        (Reply::WrongCredentials, true),
        (Reply::ChannelTooWeak(LadderRefusal::NeedsTls), true),
        (Reply::PasswordChangeNeeded, true),
        (Reply::Unavailable, true),
        (Reply::Cancelled, true),
        (Reply::NotBase64, true),
        (Reply::TooLong, true),
        (Reply::Malformed, true),
    ] {
        assert_eq!(reply.is_failure(), is_failure, "{reply:?}");
    }
}

#[test]
fn only_what_is_listed_begins() {
    use Mechanism::{Login, Plain, ScramSha256, ScramSha256Plus};
    let mut sealed = on(&bound());
    let listed = sealed.mechanisms();
    assert_eq!(listed, [ScramSha256Plus, ScramSha256, Plain, Login]);
    let step = sealed.begin(b"CRAM-MD5", None);
    assert_eq!(replied(step), LoginReply::UnknownMechanism);
    assert!(
        sealed.abort(LoginAbort::Disconnected).is_none(),
        "none began"
    );
    let step = on(&clear()).begin(b"LOGIN", None);
    assert_eq!(replied(step), LoginReply::UnknownMechanism);
    // R9266-1: the binding serves one attempt.
    assert_eq!(waiting(&mut sealed, b"SCRAM-SHA-256-PLUS"), b"");
    sealed.abort(LoginAbort::Cancelled).unwrap();
    let step = sealed.begin(b"SCRAM-SHA-256-PLUS", None);
    assert_eq!(replied(step), LoginReply::BindingUsed);
}

#[test]
fn a_password_by_plain_and_without_sasl() {
    let mut sasl = on(&bound());
    plain(&mut sasl);
    let step = sasl.answer(LoginAnswer::Accept).unwrap();
    let end = (ann(), LoginOutcome::Succeeded, success());
    assert_eq!(ended(&mut sasl, step), end);

    let mut command = on(&bound());
    let step = command.password(LoginMethod::UserPass, b"ann", b"right");
    assert_eq!(asked(step), password());
    let step = command.answer(LoginAnswer::Accept).unwrap();
    assert_eq!(ended(&mut command, step), end);
}

/// RFC 5802 §5, with the proof as one more challenge (RFC 5034 §4, RFC 4954 §4).
#[test]
fn scram_from_end_to_end() {
    let mut scram = on(&unbound());
    assert_eq!(waiting(&mut scram, b"SCRAM-SHA-256"), b"");
    let line = coding::encode(b"n,,n=ann,r=abc");
    let question = asked(scram.line(line.as_bytes()).unwrap());
    let login = ANN.to_owned();
    assert_eq!(question, LoginQuestion::ScramKeys { login });
    let server_first = challenged(scram.answer(LoginAnswer::Keys(keys())).unwrap());
    let last = client_final("right", "n=ann,r=abc", &server_first);
    let line = coding::encode(last.as_bytes());
    let question = asked(scram.line(line.as_bytes()).unwrap());
    assert!(matches!(question, LoginQuestion::Proof { login, .. } if login == ANN));
    let server_final = challenged(scram.answer(LoginAnswer::Accept).unwrap());
    assert!(server_final.starts_with(b"v="));
    let step = scram.line(b"").unwrap();
    let end = (ann(), LoginOutcome::Succeeded, success());
    assert_eq!(ended(&mut scram, step), end);
}

/// S4.1-4, S4.1-5: inside TLS a client is told what helps it and nothing of a suspicion; in the clear all is one.
#[test]
fn why_a_login_is_refused() {
    use LoginRefusal as Refusal;
    let ladder = LadderRefusal::NeedsImplicitTls;
    for (refusal, inside_tls) in [
        (Refusal::Credentials, LoginReply::WrongCredentials),
        (Refusal::OtherIdentity, LoginReply::WrongCredentials),
        (Refusal::UnsupportedBinding, LoginReply::WrongCredentials),
        (Refusal::Ladder(ladder), LoginReply::ChannelTooWeak(ladder)),
        (
            Refusal::PasswordChangeNeeded,
            LoginReply::PasswordChangeNeeded,
        ),
        (Refusal::TooManyFailures, LoginReply::Unavailable),
        (Refusal::Unavailable, LoginReply::Unavailable),
    ] {
        let in_clear = LoginReply::PrivacyRequired;
        for (mut login, reply) in [(on(&bound()), inside_tls), (on(&clear()), in_clear)] {
            plain(&mut login);
            let step = login.answer(LoginAnswer::Refuse(refusal)).unwrap();
            let end = (ann(), LoginOutcome::Refused(refusal), reply);
            assert_eq!(ended(&mut login, step), end);
        }
    }
    let mut stripped = on(&bound());
    waiting(&mut stripped, b"SCRAM-SHA-256");
    let line = coding::encode(b"y,,n=ann,r=abc");
    let step = stripped.line(line.as_bytes()).unwrap();
    let suspected = LoginOutcome::TamperingSuspected(Tampering::PlusStripped);
    let end = (ann(), suspected, LoginReply::WrongCredentials);
    assert_eq!(ended(&mut stripped, step), end);
}

#[test]
fn what_cannot_be_prepared_is_refused_and_on_record_as_it_came() {
    for (login, password, recorded) in [
        (&b"ann"[..], &b""[..], "ann"),
        (b"a\x07", b"right", "a\x07"),
        (b"a\xff", b"right", "a\u{fffd}"),
    ] {
        let mut command = on(&bound());
        let step = command.password(LoginMethod::LoginCommand, login, password);
        let refused = LoginOutcome::Refused(LoginRefusal::Credentials);
        let login = Some(recorded.to_owned());
        let end = (login, refused, LoginReply::WrongCredentials);
        assert_eq!(ended(&mut command, step), end);
    }
}

/// R5034-2: at the limit, and one over; as an initial response and as a line.
#[test]
fn lines_that_are_none() {
    let of = |length| vec![b'*'; length];
    let malformed = LoginAbort::Malformed;
    for (line, how, reply) in [
        (b"**".to_vec(), malformed, LoginReply::NotBase64),
        (of(MAX_LINE), malformed, LoginReply::NotBase64),
        (of(MAX_LINE + 1), malformed, LoginReply::TooLong),
        (b"*".to_vec(), LoginAbort::Cancelled, LoginReply::Cancelled),
    ] {
        let end = (None, LoginOutcome::Aborted(how), reply);
        let mut login = on(&bound());
        waiting(&mut login, b"PLAIN");
        let step = login.line(&line).unwrap();
        assert_eq!(ended(&mut login, step), end);
        if line.len() > 1 {
            let step = login.begin(b"PLAIN", Some(&line));
            assert_eq!(ended(&mut login, step), end);
        }
    }
    let mut login = on(&bound());
    waiting(&mut login, b"PLAIN");
    let step = login.line_too_long().unwrap();
    let end = (None, LoginOutcome::Aborted(malformed), LoginReply::TooLong);
    assert_eq!(ended(&mut login, step), end);
    assert!(login.line_too_long().is_none(), "the client owes nothing");
}

#[test]
fn what_nobody_asked_for() {
    let mut login = on(&bound());
    assert!(login.answer(LoginAnswer::Accept).is_none());
    assert!(login.line(b"").is_none());
    waiting(&mut login, b"PLAIN");
    assert!(login.answer(LoginAnswer::Accept).is_none());
    let line = coding::encode(PLAIN);
    let step = login.line(line.as_bytes());
    assert_eq!(asked(step.unwrap()), password(), "the client still owed it");
    assert!(login.line(b"").is_none());
    let step = login.answer(LoginAnswer::Keys(keys())).unwrap();
    let refused = LoginOutcome::Refused(LoginRefusal::Unavailable);
    let end = (ann(), refused, LoginReply::Unavailable);
    assert_eq!(ended(&mut login, step), end);
}

/// Every attempt that began ends as one record, with its true end where it had one.
#[test]
fn a_conversation_that_breaks_off() {
    let mut login = on(&bound());
    let how = LoginAbort::Disconnected;
    assert!(login.abort(how).is_none());
    let mut broken_off = |outcome: LoginOutcome, refused: bool| {
        plain(&mut login);
        if refused {
            login.answer(LoginAnswer::Refuse(LoginRefusal::Credentials));
        }
        let event = login.abort(how).unwrap();
        let method = LoginMethod::Sasl(Mechanism::Plain);
        let login = ann();
        let question = LoginQuestion::Ended { login, outcome };
        assert_eq!(event, LoginEvent { method, question });
    };
    broken_off(LoginOutcome::Aborted(how), false);
    let refused = LoginOutcome::Refused(LoginRefusal::Credentials);
    broken_off(refused, true);
}
