//! The client's machine against the server's.

use pillarbox_policy::{AccountLevel, Credentials, LoginOutcome, Tampering};
use pillarbox_proto::pop3::client::{Client, Event, LoggedInBy, LoginError, Violation};
use pillarbox_proto::pop3::response::ResponseCode;
use pillarbox_proto::pop3::server::{Config, LoginsInClear, Server, StartTls};
use pillarbox_proto::sasl::{Mechanism, Nonce};
use pillarbox_proto::{ChannelState, Clear, Machine, Sealed, Start, Step};
use pillarbox_testkit::{Sample, corpus};
use proptest::prelude::*;

use crate::caller::{Caller, LOGIN, PASSWORD, Served, facts, in_the_clear};
use crate::channels::{clear, seal};

pub(crate) fn credentials(password: &str) -> Credentials {
    Credentials::new(LOGIN, password.into(), &AccountLevel::default())
}

/// Carries bytes both ways until the client has an event.
pub(crate) fn pump<C: ChannelState, S: Served>(
    client: &mut Client<C>,
    server: &mut S,
    caller: &mut Caller,
) -> Result<Event, Violation> {
    loop {
        match client.poll() {
            Step::Output(bytes) => server.input(&bytes),
            Step::Event(event) => return Ok(event),
            Step::Err(violation) => return Err(violation),
            Step::NeedInput => {
                let mut out = Vec::new();
                let stop = caller.run(server, &mut out);
                assert!(!out.is_empty(), "nobody has anything to say: {stop:?}");
                client.input(&out);
            }
            step => panic!("{step:?}"),
        }
    }
}

fn nonce() -> Nonce {
    Nonce::from_random([7; Nonce::RANDOM])
}

fn logged_in(caller: &mut Caller) -> (Client<Sealed>, Server<Sealed>) {
    let mut server = Server::<Sealed>::start(&Sealed::new(facts()), Config::default());
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    assert_eq!(pump(&mut client, &mut server, caller), Ok(Event::Ready));
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    assert!(matches!(
        pump(&mut client, &mut server, caller),
        Ok(Event::LoggedIn(_))
    ));
    (client, server)
}

#[test]
fn stls_then_login_then_mail() {
    let mut caller = Caller::new();
    let mut server = in_the_clear(StartTls::Offered, LoginsInClear::NotListed);
    let mut client = Client::<Clear>::start(&clear(), ());
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Greeted)
    );
    client.ask_capabilities().unwrap();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Capabilities)
    );
    assert!(client.capabilities().has("stls"));
    assert!(!client.capabilities().has("SASL"));
    client.start_tls().unwrap();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::StartTls)
    );

    let mut server: Server<Sealed> = seal(server, Config::default()).unwrap();
    let mut client: Client<Sealed> = seal(client, ()).unwrap();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Ready)
    );
    assert!(!client.capabilities().has("STLS"));
    client.log_in(&credentials("wrong"), nonce()).unwrap();
    let Ok(Event::LoginRefused(refused)) = pump(&mut client, &mut server, &mut caller) else {
        panic!("a wrong password is refused");
    };
    assert_eq!(refused.code, Some(ResponseCode::Auth));
    // The binding is used up; the user types the password again on a new connection.
    let (mut client, mut server) = logged_in(&mut caller);
    client.stat().unwrap();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Totals {
            messages: 3,
            octets: 48
        })
    );
    client.list().unwrap();
    for event in [
        Event::Size {
            message: 1,
            octets: 29,
        },
        Event::Size {
            message: 2,
            octets: 19,
        },
        Event::Size {
            message: 3,
            octets: 0,
        },
        Event::ListEnds,
    ] {
        assert_eq!(pump(&mut client, &mut server, &mut caller), Ok(event));
    }
    client.unique_ids().unwrap();
    for (message, id) in [(1, "7.1"), (2, "7.4"), (3, "7.9")] {
        let id = id.to_owned();
        assert_eq!(
            pump(&mut client, &mut server, &mut caller),
            Ok(Event::UniqueId { message, id })
        );
    }
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::ListEnds)
    );
    client.delete(2).unwrap();
    assert_eq!(pump(&mut client, &mut server, &mut caller), Ok(Event::Done));
    client.retrieve(2).unwrap();
    assert!(matches!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Refused(_))
    ));
    client.quit().unwrap();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Goodbye)
    );
    assert_eq!(client.poll(), Step::Close);
    assert_eq!(caller.removed, [4]);
}

/// Retrieves message 1.
fn retrieve(
    client: &mut Client<Sealed>,
    server: &mut Server<Sealed>,
    caller: &mut Caller,
) -> Vec<u8> {
    client.retrieve(1).unwrap();
    assert_eq!(pump(client, server, caller), Ok(Event::MessageBegins));
    let mut message = Vec::new();
    loop {
        match pump(client, server, caller) {
            Ok(Event::MessagePiece(piece)) => message.extend_from_slice(&piece),
            Ok(Event::MessageEnds) => return message,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn weaker_mechanisms_are_used_where_the_channel_cannot_bind() {
    let unbound = || pillarbox_testkit::facts_with(|parts| parts.binding = None);
    let mut caller = Caller::new();
    let mut server = Server::<Sealed>::start(&Sealed::new(unbound()), Config::default());
    let mut client = Client::<Sealed>::start(&Sealed::new(unbound()), ());
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Ready)
    );
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::LoggedIn(LoggedInBy::Sasl(Mechanism::ScramSha256)))
    );
}

#[test]
fn r5802_2_a_middleman_with_his_own_tls_fails_the_login() {
    // Two TLS connections, one from the client to the middleman, one from him to the server.
    let other = pillarbox_testkit::facts_with(|parts| {
        parts.binding = Some(pillarbox_policy::ChannelBinding::tls_exporter([9; 32]));
    });
    let mut caller = Caller::new();
    let mut server = Server::<Sealed>::start(&Sealed::new(other), Config::default());
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::Ready)
    );
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    assert!(matches!(
        pump(&mut client, &mut server, &mut caller),
        Ok(Event::LoginRefused(_))
    ));
    let tampering = LoginOutcome::TamperingSuspected(Tampering::ChannelBinding);
    assert_eq!(caller.outcomes, [tampering]);
    // The binding serves one authentication a connection (R9266-1).
    assert_eq!(
        client.log_in(&credentials(PASSWORD), nonce()),
        Err(LoginError::ConnectAgain)
    );
}

#[test]
fn real_and_broken_mail_comes_back_byte_for_byte() {
    for Sample { name, content } in corpus() {
        let mut caller = Caller::with_messages(&[(1, &content)]);
        caller.piece = 4096;
        let (mut client, mut server) = logged_in(&mut caller);
        let back = retrieve(&mut client, &mut server, &mut caller);
        let mut expected = content;
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        assert!(back == expected, "{name} came back changed");
    }
}

/// Puts another octet in place of each dot behind a bare line end: the one documented exception, which has tests of
/// its own.
fn without_dots_behind_bare_line_ends(mut message: Vec<u8>) -> Vec<u8> {
    for at in 1..message.len() {
        let (before, rest) = message.split_at_mut(at);
        let bare =
            (before.ends_with(b"\n") || before.ends_with(b"\r")) && !before.ends_with(b"\r\n");
        if bare && rest[0] == b'.' {
            rest[0] = b'a';
        }
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_come_back_as_they_are_stored(
        message in prop::collection::vec(prop::sample::select(b"ab.\r\n\0\xff".to_vec()), 0..200),
        ends in any::<bool>(),
    ) {
        let mut message = without_dots_behind_bare_line_ends(message);
        if ends {
            message.extend_from_slice(b"\r\n");
        }
        let mut caller = Caller::with_messages(&[(1, &message)]);
        let (mut client, mut server) = logged_in(&mut caller);
        let back = retrieve(&mut client, &mut server, &mut caller);
        if !message.is_empty() && !message.ends_with(b"\r\n") {
            message.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(back, message);
    }
}
