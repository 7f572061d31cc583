//! LOGIN and AUTHENTICATE (RFC 3501 §6.2.2, §6.2.3; SASL-IR, RFC 4959): how [`crate::sasl::Authentication`] stands on the wire.
//!
//! Arguments are read only with policy's permit in hand.

use pillarbox_policy::{AuthPermit, SecretBytes};

use super::{
    Capabilities, Command, Completion, Cursor, Phase, Reading, Refusal, ResponseCode, SyntaxError,
    When,
};
use crate::sasl::LoginsInClear;

/// What a cleartext connection is told, whatever it sent (S4.1-4, S4.1-5, R9051-1).
pub(in crate::imap::server) const PRIVACY_REQUIRED: Completion = Completion::No(
    Some(ResponseCode::PrivacyRequired),
    "Encryption is required: use the TLS port, or STARTTLS first",
);

/// LOGIN.
#[derive(Debug)]
pub(in crate::imap::server) struct LoginCommand(pub(super) Started);

impl Command for LoginCommand {
    const NAME: &'static str = "LOGIN";
    const WHEN: When = When::BeforeLogin;
    const EXAMPLES: &'static [&'static str] = &["LOGIN a \"b\"", "LOGIN {1+}\r\na {1+}\r\nb"];

    fn capabilities(list: &mut Capabilities<'_>) {
        if matches!(list.state.phase, Phase::Clear(_, LoginsInClear::NotListed)) {
            list.add("LOGINDISABLED");
        }
    }

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let permit = reading.permit.ok_or(PRIVACY_REQUIRED)?;
        Ok(Self(login(cursor, permit)?))
    }
}

/// AUTHENTICATE.
#[derive(Debug)]
pub(in crate::imap::server) struct AuthenticateCommand(pub(super) Started);

impl Command for AuthenticateCommand {
    const NAME: &'static str = "AUTHENTICATE";
    const WHEN: When = When::BeforeLogin;
    const EXAMPLES: &'static [&'static str] =
        &["AUTHENTICATE PLAIN AGEAYg==", "AUTHENTICATE SCRAM-SHA-256"];

    fn capabilities(list: &mut Capabilities<'_>) {
        list.before_login("SASL-IR");
        for mechanism in list.state.mechanisms {
            list.before_login(&format!("AUTH={}", mechanism.as_str()));
        }
    }

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let permit = reading.permit.ok_or(PRIVACY_REQUIRED)?;
        Ok(Self(authenticate(cursor, permit)?))
    }
}

/// A LOGIN or AUTHENTICATE that was read.
#[derive(Debug)]
pub(in crate::imap::server) enum Started {
    Login {
        login: SecretBytes,
        password: SecretBytes,
    },
    Authenticate {
        mechanism: String,
        initial: Option<SecretBytes>,
    },
}

fn login(cursor: &mut Cursor<'_>, _permit: &AuthPermit<'_>) -> Result<Started, SyntaxError> {
    cursor.space()?;
    let login = SecretBytes::from(cursor.astring()?.into_owned());
    cursor.space()?;
    let password = SecretBytes::from(cursor.astring()?.into_owned());
    Ok(Started::Login { login, password })
}

fn authenticate(cursor: &mut Cursor<'_>, _permit: &AuthPermit<'_>) -> Result<Started, SyntaxError> {
    cursor.space()?;
    let mechanism = cursor.atom()?.to_owned();
    let initial = cursor
        .eat(b' ')
        .then(|| SecretBytes::from(cursor.take_while(|byte| byte != b' ')));
    Ok(Started::Authenticate { mechanism, initial })
}
