//! Every attempt to log in that began ends in exactly one outcome.

use pillarbox_policy::{
    LoginAbort, LoginOutcome, LoginRefusal, MayAuthenticate, Secret, Tampering, may_authenticate,
};
use pillarbox_proto::sasl::{
    Authentication, AuthenticationStep, LoginAnswer, LoginEvent, LoginMethod, LoginQuestion,
    LoginReply, MAX_LINE, Nonce, coding,
};
use pillarbox_proto::{ChannelState, Sealed};
use pillarbox_testkit::facts;
use proptest::prelude::*;

use crate::channels::{clear, window};
use crate::server::{client_final_bound, keys};

/// As in [`facts`].
const BINDING: [u8; 32] = [7; 32];

fn authentication(channel: &impl ChannelState) -> Authentication {
    match may_authenticate(channel.view(), Some(&window())) {
        MayAuthenticate::Yes(permit) => Authentication::new(&permit),
        MayAuthenticate::NotBeforeTls => panic!("there is a window"),
    }
}

fn bound() -> Authentication {
    authentication(&Sealed::new(facts()))
}

fn base64(message: &[u8]) -> Vec<u8> {
    coding::encode(message).as_bytes().to_vec()
}

/// What came of an attempt.
#[derive(Debug, PartialEq)]
struct End {
    outcomes: Vec<LoginOutcome>,
    reply: Option<LoginReply>,
}

fn ended(outcome: LoginOutcome, reply: LoginReply) -> End {
    End {
        outcomes: vec![outcome],
        reply: Some(reply),
    }
}

fn succeeded() -> End {
    let login = "ann".to_owned();
    ended(LoginOutcome::Succeeded, LoginReply::Success { login })
}

fn refused(refusal: LoginRefusal) -> End {
    ended(LoginOutcome::Refused(refusal), LoginReply::WrongCredentials)
}

fn suspected(tampering: Tampering) -> End {
    let outcome = LoginOutcome::TamperingSuspected(tampering);
    ended(outcome, LoginReply::WrongCredentials)
}

fn aborted(how: LoginAbort, reply: LoginReply) -> End {
    ended(LoginOutcome::Aborted(how), reply)
}

fn nothing(reply: LoginReply) -> End {
    End {
        outcomes: Vec::new(),
        reply: Some(reply),
    }
}

/// The session's answer: `ann` logs in with `right`. Notes how the attempt ended.
fn answer(event: LoginEvent, outcomes: &mut Vec<LoginOutcome>) -> LoginAnswer {
    match event.question {
        LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([3; Nonce::RANDOM])),
        LoginQuestion::ScramKeys { .. } => LoginAnswer::Keys(keys()),
        LoginQuestion::Password { login, password }
            if login != "ann" || password != Secret::from("right") =>
        {
            LoginAnswer::Refuse(LoginRefusal::Credentials)
        }
        LoginQuestion::Password { .. } | LoginQuestion::Proof { .. } => LoginAnswer::Accept,
        LoginQuestion::Ended { outcome, .. } => {
            outcomes.push(outcome);
            LoginAnswer::Recorded
        }
    }
}

/// Runs an attempt whose client answers each decoded challenge with a line, and leaves where it has none.
fn run(
    login: &mut Authentication,
    mut step: AuthenticationStep,
    mut client: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> End {
    let mut outcomes = Vec::new();
    loop {
        step = match step {
            AuthenticationStep::Reply(reply) => {
                assert_eq!(login.abort(LoginAbort::Disconnected), None, "it is over");
                return End {
                    outcomes,
                    reply: Some(reply),
                };
            }
            AuthenticationStep::Ask(event) => {
                assert!(login.line(b"AAAA").is_none(), "it is the session's turn");
                login.answer(answer(event, &mut outcomes)).unwrap()
            }
            AuthenticationStep::Challenge(challenge) => {
                assert!(login.answer(LoginAnswer::Accept).is_none(), "nobody asked");
                let Some(line) = client(&coding::decode(challenge.as_bytes()).unwrap()) else {
                    let event = login.abort(LoginAbort::Disconnected).unwrap();
                    answer(event, &mut outcomes);
                    assert_eq!(login.abort(LoginAbort::Disconnected), None);
                    let reply = None;
                    return End { outcomes, reply };
                };
                login.line(&line).unwrap()
            }
        };
    }
}

/// An attempt inside TLS with these lines, the first of them the initial response.
fn said(mechanism: &str, initial: Option<&[u8]>, lines: &[&[u8]]) -> End {
    let mut login = bound();
    let step = login.begin(mechanism.as_bytes(), initial);
    let mut lines = lines.iter();
    run(&mut login, step, |_| lines.next().map(|line| line.to_vec()))
}

/// A SCRAM attempt inside TLS with this GS2 header, bound to this, by this password.
fn scram(mechanism: &str, header: &str, binding: &[u8], password: &str) -> End {
    let mut login = bound();
    scram_over(&mut login, mechanism, header, binding, password)
}

fn scram_over(
    login: &mut Authentication,
    mechanism: &str,
    header: &str,
    binding: &[u8],
    password: &str,
) -> End {
    let bare = "n=ann,r=abc";
    let first = base64(format!("{header}{bare}").as_bytes());
    let step = login.begin(mechanism.as_bytes(), Some(&first));
    run(login, step, |challenge| {
        if challenge.starts_with(b"v=") {
            return Some(Vec::new());
        }
        let bound_to = [header.as_bytes(), binding].concat();
        Some(base64(
            client_final_bound(password, bare, challenge, &bound_to).as_bytes(),
        ))
    })
}

#[test]
fn each_mechanism_ends_once_for_the_right_and_for_the_wrong_password() {
    use LoginRefusal::Credentials;
    for (password, end) in [
        ("right", succeeded as fn() -> End),
        ("wrong", || refused(Credentials)),
    ] {
        let plain = base64(format!("\0ann\0{password}").as_bytes());
        let (ann, password64) = (base64(b"ann"), base64(password.as_bytes()));
        assert_eq!(said("PLAIN", Some(&plain), &[]), end());
        assert_eq!(said("plain", None, &[&plain]), end());
        assert_eq!(said("LOGIN", None, &[&ann, &password64]), end());
        assert_eq!(said("LOGIN", Some(&ann), &[&password64]), end());
        assert_eq!(scram("SCRAM-SHA-256", "n,,", b"", password), end());
        let exporter = "p=tls-exporter,,";
        assert_eq!(
            scram("SCRAM-SHA-256-PLUS", exporter, &BINDING, password),
            end()
        );
        let mut login = bound();
        let step = login.password(LoginMethod::UserPass, b"ann", password.as_bytes());
        assert_eq!(run(&mut login, step, |_| None), end());
    }
    let mut login = bound();
    let step = login.password(LoginMethod::LoginCommand, b"a\0nn", b"right");
    assert_eq!(run(&mut login, step, |_| None), refused(Credentials));
    assert_eq!(
        said("PLAIN", Some(&base64(b"bob\0ann\0right")), &[]),
        refused(LoginRefusal::OtherIdentity)
    );
}

#[test]
fn r5802_2_tampering_is_one_outcome_and_looks_like_a_wrong_password() {
    let plus = "SCRAM-SHA-256-PLUS";
    let exporter = "p=tls-exporter,,";
    for (end, tampering) in [
        (
            scram(plus, exporter, &[8; 32], "right"),
            Tampering::ChannelBinding,
        ),
        (
            scram(plus, exporter, b"", "right"),
            Tampering::ChannelBinding,
        ),
        (scram(plus, "n,,", b"", "right"), Tampering::BindingFlag),
        (scram(plus, "y,,", b"", "right"), Tampering::BindingFlag),
        (
            scram("SCRAM-SHA-256", "y,,", b"", "right"),
            Tampering::PlusStripped,
        ),
    ] {
        assert_eq!(end, suspected(tampering));
    }
    assert_eq!(
        scram(plus, "p=tls-unique,,", &BINDING, "right"),
        refused(LoginRefusal::UnsupportedBinding)
    );
}

#[test]
fn lines_that_are_no_message_end_it_once() {
    use LoginAbort::{Cancelled, Malformed};
    let long = vec![b'A'; MAX_LINE + 4];
    let malformed = |reply| aborted(Malformed, reply);
    for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"] {
        let initial = |line: &[u8]| said(mechanism, Some(line), &[]);
        let line = |line: &[u8]| said(mechanism, None, &[line]);
        assert_eq!(line(b"*"), aborted(Cancelled, LoginReply::Cancelled));
        for no_base64 in [&b"A"[..], b"====", b"AAA!", b"AA A", b"\xff\xff\xff\xff"] {
            assert_eq!(line(no_base64), malformed(LoginReply::NotBase64));
            assert_eq!(initial(no_base64), malformed(LoginReply::NotBase64));
        }
        // There is nothing to cancel yet, and this is no way to write an empty response.
        assert_eq!(initial(b"*"), malformed(LoginReply::NotBase64));
        assert_eq!(initial(b""), malformed(LoginReply::NotBase64));
        assert_eq!(initial(&long), malformed(LoginReply::TooLong));
        assert_eq!(line(&long), malformed(LoginReply::TooLong));
        assert_eq!(line(b""), malformed(LoginReply::Malformed));
        assert_eq!(initial(b"="), malformed(LoginReply::Malformed));

        let mut login = bound();
        assert!(login.line_too_long().is_none(), "no line is owed");
        let mut outcomes = Vec::new();
        let AuthenticationStep::Ask(event) = login.begin(mechanism.as_bytes(), None) else {
            panic!("a nonce is asked for");
        };
        assert!(matches!(
            login.answer(answer(event, &mut outcomes)),
            Some(AuthenticationStep::Challenge(_))
        ));
        let step = login.line_too_long().unwrap();
        assert_eq!(
            run(&mut login, step, |_| None),
            malformed(LoginReply::TooLong)
        );
    }
}

#[test]
fn what_is_abandoned_ends_as_it_stood() {
    let left = |outcome| End {
        outcomes: vec![outcome],
        reply: None,
    };
    let disconnected = || left(LoginOutcome::Aborted(LoginAbort::Disconnected));
    assert_eq!(said("PLAIN", None, &[]), disconnected());
    assert_eq!(said("LOGIN", Some(&base64(b"ann")), &[]), disconnected());
    let first = base64(b"n,,n=ann,r=abc");
    assert_eq!(said("SCRAM-SHA-256", Some(&first), &[]), disconnected());
    // Before the last empty line: the server has proved itself, and the client has not taken it.
    let mut login = bound();
    let step = login.begin(b"SCRAM-SHA-256", Some(&first));
    let end = run(&mut login, step, |challenge| {
        (!challenge.starts_with(b"v=")).then(|| {
            base64(client_final_bound("right", "n=ann,r=abc", challenge, b"n,,").as_bytes())
        })
    });
    assert_eq!(end, disconnected());

    // While the session is asked, and once the end is known and not on record.
    let mut login = bound();
    let plain = base64(b"\0ann\0wrong");
    let mut step = Some(login.begin(b"PLAIN", Some(&plain)));
    let mut outcomes = Vec::new();
    while outcomes.is_empty() {
        let Some(AuthenticationStep::Ask(event)) = step else {
            panic!("it is asked");
        };
        step = login.answer(answer(event, &mut outcomes));
        if let Some(AuthenticationStep::Ask(LoginEvent {
            question: LoginQuestion::Ended { outcome, .. },
            ..
        })) = &step
        {
            let on_record = login.abort(LoginAbort::ShutDown).unwrap().question;
            assert!(matches!(
                on_record,
                LoginQuestion::Ended { outcome: again, .. } if again == *outcome
            ));
            outcomes.push(*outcome);
        }
    }
    let refused = LoginOutcome::Refused(LoginRefusal::Credentials);
    assert_eq!(outcomes, [refused]);
    assert_eq!(login.abort(LoginAbort::ShutDown), None);
}

#[test]
fn r9266_1_what_cannot_begin_has_no_outcome() {
    assert_eq!(
        said("GSSAPI", None, &[]),
        nothing(LoginReply::UnknownMechanism)
    );
    let mut login = bound();
    let plus = |login: &mut Authentication| {
        scram_over(
            login,
            "SCRAM-SHA-256-PLUS",
            "p=tls-exporter,,",
            &BINDING,
            "wrong",
        )
    };
    assert_eq!(plus(&mut login), refused(LoginRefusal::Credentials));
    assert_eq!(plus(&mut login), nothing(LoginReply::BindingUsed));
}

/// S4.1-4, S4.1-5.
#[test]
fn in_the_clear_every_refusal_sounds_alike() {
    let refused = |outcome| ended(outcome, LoginReply::PrivacyRequired);
    for (message, refusal) in [
        (&b"\0ann\0wrong"[..], LoginRefusal::Credentials),
        (b"\0nobody\0right", LoginRefusal::Credentials),
        (b"bob\0ann\0right", LoginRefusal::OtherIdentity),
    ] {
        let mut login = authentication(&clear());
        let step = login.begin(b"PLAIN", Some(&base64(message)));
        let end = run(&mut login, step, |_| None);
        assert_eq!(end, refused(LoginOutcome::Refused(refusal)));
    }
}

/// What may happen to an attempt.
#[derive(Debug, Clone)]
enum Move {
    Begin(&'static str, Option<Vec<u8>>),
    Line(Vec<u8>),
    LineTooLong,
    Answer,
    WrongAnswer,
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"*".to_vec()),
        Just(b"=".to_vec()),
        Just(base64(b"\0ann\0right")),
        Just(base64(b"n,,n=ann,r=abc")),
        Just(base64(b"y,,n=ann,r=abc")),
        Just(base64(b"p=tls-exporter,,n=ann,r=abc")),
        Just(vec![b'A'; MAX_LINE + 4]),
        proptest::collection::vec(any::<u8>(), 0..24),
        proptest::collection::vec(any::<u8>(), 0..24).prop_map(|message| base64(&message)),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    let mechanisms = proptest::sample::select(vec![
        "PLAIN",
        "LOGIN",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256-PLUS",
        "X",
    ]);
    prop_oneof![
        2 => (mechanisms, proptest::option::of(lines())).prop_map(|(name, initial)| Move::Begin(name, initial)),
        3 => lines().prop_map(Move::Line),
        1 => Just(Move::LineTooLong),
        6 => Just(Move::Answer),
        1 => Just(Move::WrongAnswer),
    ]
}

proptest! {
    /// Whatever comes in whatever order, as many attempts end as began, and none twice.
    #[test]
    fn as_many_attempts_end_as_began(moves in proptest::collection::vec(moves(), 0..60)) {
        let mut login = bound();
        let (mut began, mut outcomes) = (0, Vec::new());
        let mut asked: Option<LoginEvent> = None;
        let mut is_under_way = false;
        for next in moves {
            let step = match next {
                // A machine reads no command while an attempt is under way.
                Move::Begin(..) if is_under_way => None,
                Move::Begin(mechanism, initial) => {
                    let step = login.begin(mechanism.as_bytes(), initial.as_deref());
                    is_under_way = !matches!(step, AuthenticationStep::Reply(_));
                    began += usize::from(is_under_way);
                    Some(step)
                }
                Move::Line(line) => login.line(&line),
                Move::LineTooLong => login.line_too_long(),
                Move::Answer => asked.take().and_then(|event| login.answer(answer(event, &mut outcomes))),
                Move::WrongAnswer => match asked.take() {
                    Some(event @ LoginEvent { question: LoginQuestion::Ended { .. }, .. }) => {
                        answer(event, &mut outcomes);
                        login.answer(LoginAnswer::Accept)
                    }
                    Some(_) => login.answer(LoginAnswer::Recorded),
                    None => None,
                },
            };
            match step {
                Some(AuthenticationStep::Ask(event)) => asked = Some(event),
                Some(AuthenticationStep::Reply(_)) => is_under_way = false,
                Some(AuthenticationStep::Challenge(_)) | None => {}
            }
        }
        if let Some(event) = login.abort(LoginAbort::Disconnected) {
            answer(event, &mut outcomes);
        }
        prop_assert_eq!(outcomes.len(), began);
    }
}
