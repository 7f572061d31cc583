//! Each of our ends against the other end of an independent implementation.

use std::io::Cursor;
use std::sync::Arc;

use pillarbox_policy::Secret;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::prelude::{
    Mechname, SASLClient, SASLConfig, SASLServer, Session, SessionError, State as Progress,
    Validation,
};
use rsasl::property::{AuthId, Password};
use rsasl::validate::{Validate, ValidationError};

use super::tests::{client, facts_without_binding, nonce, offer};
use super::{ClientStep, Mechanism};
use crate::sasl::ScramKeys;
use crate::sasl::server::{Decision, Failure, ServerStep};

const LOGIN: &str = "a=n,n@example.org";
const PASSWORD: &str = "p\u{e4}ss, =word";

/// How the login stands in a SCRAM message. The other server hands it on like this.
const ESCAPED: &str = "a=3Dn=2Cn@example.org";

/// The other implementation's server: it knows one account.
struct Account(ScramKeys);

/// Whether this is the account's login.
fn is_known(context: &Context<'_>) -> bool {
    matches!(context.get_ref::<AuthId>(), Some(LOGIN | ESCAPED))
}

struct LoggedIn;

impl Validation for LoggedIn {
    type Value = bool;
}

impl SessionCallback for Account {
    fn callback(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if is_known(context) {
            request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
                self.0.iterations,
                &self.0.salt,
                &self.0.stored_key,
                &self.0.server_key,
            ))?;
        }
        Ok(())
    }

    fn validate(
        &self,
        session: &SessionData,
        context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let is_plain = session.mechanism().mechanism.as_str() == "PLAIN";
        let prepared = crate::sasl::prepare_password(&Secret::from(PASSWORD)).unwrap();
        let right = is_known(context)
            && (!is_plain || context.get_ref::<Password>() == Some(prepared.expose().as_bytes()));
        validate.with::<LoggedIn, _>(|| Ok(right))?;
        Ok(())
    }
}

fn keys() -> ScramKeys {
    ScramKeys::derive(&Secret::from(PASSWORD), &[3; 16], 4096).unwrap()
}

/// Our client against their server: what the server thinks, and what the client believes.
fn our_client(mechanism: Mechanism, password: &str) -> (bool, Result<(), super::Failure>) {
    let config = SASLConfig::builder()
        .with_defaults()
        .with_callback(Account(keys()))
        .unwrap();
    let name = Mechname::parse(mechanism.as_str().as_bytes()).unwrap();
    let mut server: Session<LoggedIn> = SASLServer::<LoggedIn>::new(config)
        .start_suggested(name)
        .unwrap();
    let (mut exchange, initial) =
        client(mechanism, &facts_without_binding(), LOGIN, password).unwrap();
    let mut message = initial.to_vec();
    loop {
        let mut out = Cursor::new(Vec::new());
        let Ok(progress) = server.step(Some(&message), &mut out) else {
            return (false, exchange.succeeded());
        };
        let challenge = out.into_inner();
        if !challenge.is_empty() {
            match exchange.step(&challenge) {
                ClientStep::Send(next) => message = next.to_vec(),
                ClientStep::Failed(failure) => return (false, Err(failure)),
            }
        }
        if let Progress::Finished(_) = progress {
            return (server.validation().unwrap_or(false), exchange.succeeded());
        }
    }
}

/// Their client against our server.
fn our_server(mechanism: Mechanism, password: &str) -> ServerStep {
    let config: Arc<SASLConfig> =
        SASLConfig::with_credentials(None, LOGIN.to_owned(), password.to_owned()).unwrap();
    let name = Mechname::parse(mechanism.as_str().as_bytes()).unwrap();
    let mut client = SASLClient::new(config).start_suggested(&[name]).unwrap();
    let mut server = offer(&facts_without_binding())
        .start(mechanism, nonce(2))
        .unwrap();
    let mut step = server.begin(None);
    let prepared = crate::sasl::prepare_password(&Secret::from(PASSWORD)).unwrap();
    loop {
        step = match step {
            ServerStep::Challenge(challenge) => {
                let mut out = Cursor::new(Vec::new());
                let challenge = Some(challenge.as_slice()).filter(|bytes| !bytes.is_empty());
                client.step(challenge, &mut out).unwrap();
                server.step(&out.into_inner())
            }
            ServerStep::NeedScramKeys { .. } => server.scram_keys(keys()),
            ServerStep::CheckPassword { password, .. } if password != prepared => {
                server.decided(Decision::Refuse)
            }
            ServerStep::CheckPassword { .. } | ServerStep::CheckScram { .. } => {
                server.decided(Decision::Accept)
            }
            end => return end,
        };
    }
}

#[test]
fn our_client_logs_in_to_their_server() {
    for mechanism in [Mechanism::ScramSha256, Mechanism::Plain] {
        assert_eq!(
            our_client(mechanism, PASSWORD),
            (true, Ok(())),
            "{mechanism}"
        );
    }
    assert_eq!(our_client(Mechanism::Plain, "wrong"), (false, Ok(())));
    let (let_in, believed) = our_client(Mechanism::ScramSha256, "wrong");
    assert!(!let_in && believed.is_err());
}

#[test]
fn their_client_logs_in_to_our_server() {
    for mechanism in [Mechanism::ScramSha256, Mechanism::Plain] {
        let login = LOGIN.to_owned();
        assert_eq!(
            our_server(mechanism, PASSWORD),
            ServerStep::Done { login },
            "{mechanism}"
        );
        assert_eq!(
            our_server(mechanism, "wrong"),
            ServerStep::Failed(Failure::Refused),
            "{mechanism}"
        );
    }
}
