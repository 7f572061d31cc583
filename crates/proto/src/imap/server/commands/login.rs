//! LOGIN and AUTHENTICATE (RFC 3501 §6.2.2, §6.2.3; SASL-IR, RFC 4959): how [`Authentication`] stands on the wire.
//!
//! Arguments are read only with policy's permit in hand.

use pillarbox_policy::{AuthPermit, LoginAbort, SecretBytes};

use crate::imap::grammar::{Cursor, SyntaxError};
use crate::sasl::{
    Authentication, AuthenticationStep, LoginAnswer, LoginEvent, LoginMethod, LoginReply,
    LoginsInClear,
};

use crate::imap::server::command::{Capabilities, Command, Reading, When};
use crate::imap::server::dialogue::{Dialogue, Turn};
use crate::imap::server::reply::{Code, Completion, Refusal};
use crate::imap::server::state::Phase;

use super::Event;

/// What a cleartext connection is told, whatever it sent (S4.1-4, S4.1-5, R9051-1).
pub(in crate::imap::server) const PRIVACY_REQUIRED: Completion = Completion::No(
    Some(Code::PrivacyRequired),
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

impl Dialogue {
    pub(in crate::imap::server) fn start_login(&mut self, started: &Started) {
        let step = self.authentication().map(|login| match started {
            Started::Login {
                login: name,
                password,
            } => login.password(LoginMethod::LoginCommand, name, password),
            Started::Authenticate { mechanism, initial } => {
                login.begin(mechanism.as_bytes(), initial.as_deref())
            }
        });
        self.login_step(step);
    }

    /// Answers [`Event::Login`]. An answer that nobody asked for changes nothing.
    pub fn answer_login(&mut self, answer: LoginAnswer) {
        match self.take_turn() {
            Turn::LoginSession => {
                let step = self.authentication().and_then(|login| login.answer(answer));
                self.login_step(step);
            }
            other => self.set_turn(other),
        }
    }

    /// The conversation is over: the attempt to log in that is under way, if there is one, ended so. To be put on
    /// record.
    pub fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.authentication().and_then(|login| login.abort(how))
    }

    /// The client's line in an exchange.
    pub(in crate::imap::server) fn exchange_line(&mut self, line: &[u8]) {
        let step = self.authentication().and_then(|login| login.line(line));
        self.login_step(step);
    }

    /// The client's line in an exchange was too long, which it was told.
    pub(in crate::imap::server) fn exchange_line_too_long(&mut self) {
        let step = self
            .authentication()
            .and_then(Authentication::line_too_long);
        self.login_step(step);
    }

    fn login_step(&mut self, step: Option<AuthenticationStep>) {
        match step {
            None => {}
            Some(AuthenticationStep::Challenge(challenge)) => {
                self.output().line(&format!("+ {}", *challenge));
                self.set_turn(Turn::LoginClient);
            }
            Some(AuthenticationStep::Ask(event)) => {
                self.set_turn(Turn::LoginSession);
                self.queue(Event::Login(event));
            }
            Some(AuthenticationStep::Reply(reply)) => self.login_reply(&reply),
        }
    }

    fn login_reply(&mut self, reply: &LoginReply) {
        let no = |code, text| Completion::No(Some(code), text);
        let completion = match reply {
            LoginReply::Success { .. } => {
                self.logged_in();
                let (tag, list) = (self.tag(), self.capabilities());
                let line = format!("{tag} OK [CAPABILITY {list}] Logged in");
                return self.output().line(&line);
            }
            LoginReply::PrivacyRequired => PRIVACY_REQUIRED,
            LoginReply::WrongCredentials => {
                no(Code::AuthenticationFailed, "Wrong login or password")
            }
            LoginReply::ChannelTooWeak(_) => no(
                Code::PrivacyRequired,
                "This account needs better encryption than this connection has",
            ),
            LoginReply::PasswordChangeNeeded => no(
                Code::Expired,
                "The password must be changed before it can be used again",
            ),
            LoginReply::Unavailable => no(Code::Unavailable, "Try again later"),
            LoginReply::Cancelled => Completion::Bad("Authentication cancelled"),
            LoginReply::NotBase64 => Completion::Bad("expected base64"),
            // It was told so when the line was thrown away.
            LoginReply::TooLong => return self.count_failed_login(),
            LoginReply::Malformed => Completion::Bad("expected a message of the mechanism"),
            LoginReply::UnknownMechanism => no(Code::Cannot, "No such mechanism here"),
            LoginReply::BindingUsed => no(
                Code::Cannot,
                "This mechanism was used already; connect again for it",
            ),
        };
        self.responses().complete(&completion);
        if reply.is_failure() {
            self.count_failed_login();
        }
    }
}
