//! The AUTHORIZATION state: CAPA, STLS, USER and PASS, AUTH, QUIT (RFC 1939 §4, RFC 2595 §4, RFC 5034 §4).

use pillarbox_policy::{AuthPermit, SecretBytes};

use super::{
    CannotOpen, Core, Event, Server, State, Stls, Violation, command_lines, exchange_lines,
};
use crate::channel::End;
use crate::pop3::capabilities::{self, StlsNow};
use crate::pop3::command::{Command, Fault, keyword, takes_credentials};
use crate::pop3::maildrop::Maildrop;
use crate::sasl::{
    Authentication, AuthenticationStep, LoginAnswer, LoginMethod, LoginReply, Logins,
};
use crate::{Injected, LoginChannel, http};

/// The one answer to every login on a cleartext channel that may not be, whatever its arguments (S4.1-5).
const PRIVACY_REQUIRED: &str = "-ERR [AUTH] encryption is required before logging in";

impl Core {
    pub(super) fn authorization_line(&mut self, user: Option<SecretBytes>, line: &[u8]) {
        self.state = State::Authorization { user: None };
        if http::is_request(line) {
            // Nothing is answered that could help whoever sent a browser here (S6).
            self.state = State::Over(Some(Violation::Http));
            return;
        }
        if let Err(violation) = self.counts.command() {
            self.say("-ERR too many commands before login");
            self.state = State::Over(Some(violation));
            return;
        }
        self.logins.ask_again();
        // Before anything is parsed: the arguments do not matter, so they cannot make a difference.
        if matches!(self.logins, Logins::Ask { .. }) && takes_credentials(keyword(line)) {
            self.event = Some(Event::NeedPermit);
            self.state = State::AwaitPermit {
                user,
                line: SecretBytes::from(line),
            };
            return;
        }
        self.authorization_command(user, line);
    }

    /// Reads the login that waits for it, with policy's permit.
    pub(super) fn login_permitted(&mut self, permit: &AuthPermit<'_>) {
        if let State::AwaitPermit { user, line } = &mut self.state {
            let (user, line) = (user.take(), std::mem::take(line));
            self.state = State::Authorization { user: None };
            self.logins.permitted(permit);
            self.authorization_command(user, &line);
        }
    }

    /// Refuses the login that waits for a permit.
    pub(super) fn refuse_login(&mut self) {
        if matches!(self.state, State::AwaitPermit { .. }) {
            self.state = State::Authorization { user: None };
            self.error(PRIVACY_REQUIRED);
        }
    }

    fn authorization_command(&mut self, user: Option<SecretBytes>, line: &[u8]) {
        match Command::parse(line) {
            Ok(Command::Capa) => self.list_capabilities(),
            Ok(Command::Stls) => self.stls(),
            Ok(Command::Quit) => {
                self.say("+OK goodbye");
                self.state = State::Over(None);
            }
            Ok(Command::User(login)) => {
                // Said to every name alike, whether there is such an account or not.
                self.say("+OK now the password");
                self.state = State::Authorization {
                    user: Some(login.into()),
                };
            }
            Ok(Command::Pass(password)) => match user {
                Some(login) => self.pass(&login, password),
                None => self.error("-ERR say USER first"),
            },
            Ok(Command::Auth { mechanism, initial }) => self.auth(mechanism, initial),
            Ok(Command::Apop) => self.error("-ERR APOP is not supported; use AUTH"),
            Ok(_) => self.error("-ERR log in first"),
            Err(fault) => self.fault(fault),
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Unknown => self.error("-ERR unknown command"),
            Fault::Arguments => self.error("-ERR wrong arguments"),
        }
    }

    pub(super) fn list_capabilities(&mut self) {
        let mechanisms = self.logins.listed().unwrap_or_default();
        let stls = match (&self.state, self.stls) {
            (State::Authorization { .. }, Stls::Available) => StlsNow::Permitted,
            _ => StlsNow::NotPermitted,
        };
        let list = capabilities::list(mechanisms, stls);
        self.out.extend_from_slice(&list);
    }

    fn stls(&mut self) {
        if self.stls == Stls::Unavailable {
            return self.error("-ERR STLS is not possible here");
        }
        let held = self.lines.len();
        if held > 0 {
            self.say("-ERR nothing may follow STLS before the reply");
            self.state = State::Over(Some(Violation::Injected(Injected {
                found_by: End::Server,
                bytes: held,
            })));
            return;
        }
        self.say("+OK begin TLS");
        self.event = Some(Event::StartTls);
        self.state = State::Upgrading;
    }

    fn pass(&mut self, login: &[u8], password: &[u8]) {
        if let Some(authentication) = self.logins.authentication() {
            let step = authentication.password(LoginMethod::UserPass, login, password);
            self.login_step(step);
        }
    }

    fn auth(&mut self, mechanism: &[u8], initial: Option<&[u8]>) {
        if let Some(authentication) = self.logins.authentication() {
            let step = authentication.begin(mechanism, initial);
            self.login_step(step);
        }
    }

    pub(super) fn exchange_line(&mut self, line: &[u8]) {
        let login = self.logins.authentication();
        if let Some(step) = login.and_then(|login| login.line(line)) {
            self.login_step(step);
        }
    }

    pub(super) fn exchange_line_too_long(&mut self) {
        let login = self.logins.authentication();
        if let Some(step) = login.and_then(Authentication::line_too_long) {
            self.login_step(step);
        }
    }

    pub(super) fn answer_login(&mut self, answer: LoginAnswer) {
        let login = self.logins.authentication();
        if matches!(self.state, State::AwaitLogin)
            && let Some(step) = login.and_then(|login| login.answer(answer))
        {
            self.login_step(step);
        }
    }

    fn login_step(&mut self, step: AuthenticationStep) {
        match step {
            AuthenticationStep::Challenge(challenge) => {
                self.say(&format!("+ {}", *challenge));
                self.lines.set_limits(exchange_lines());
                self.state = State::Exchange;
            }
            AuthenticationStep::Ask(event) => {
                self.event = Some(Event::Login(event));
                self.state = State::AwaitLogin;
            }
            AuthenticationStep::Reply(reply) => {
                // Back to commands, with their shorter lines.
                self.lines.set_limits(command_lines(self.limits));
                self.state = State::Authorization { user: None };
                self.login_reply(reply);
            }
        }
    }

    fn login_reply(&mut self, reply: LoginReply) {
        let failed = reply.is_failure();
        match reply {
            LoginReply::Success { login } => {
                self.event = Some(Event::OpenMaildrop { login });
                self.state = State::AwaitMaildrop;
            }
            LoginReply::PrivacyRequired => self.say(PRIVACY_REQUIRED),
            LoginReply::WrongCredentials => self.say("-ERR [AUTH] wrong login name or password"),
            LoginReply::ChannelTooWeak(refusal) => self.say(&format!("-ERR [AUTH] {refusal}")),
            LoginReply::PasswordChangeNeeded => {
                self.say("-ERR [AUTH] the password must be changed before it can be used again");
            }
            LoginReply::Unavailable => self
                .say("-ERR [SYS/TEMP] logging in is not possible at the moment; try again later"),
            LoginReply::Cancelled => self.say("-ERR cancelled"),
            LoginReply::NotBase64 => self.say("-ERR not base64; the exchange is over"),
            LoginReply::TooLong => self.say("-ERR line too long; the exchange is over"),
            LoginReply::Malformed => {
                self.say("-ERR that is no message of this mechanism; the exchange is over");
            }
            LoginReply::UnknownMechanism => {
                self.error("-ERR unknown mechanism; CAPA lists those there are");
            }
            LoginReply::BindingUsed => {
                self.error("-ERR connect again to use this mechanism again");
            }
        }
        if failed {
            let counted = self.counts.failed_login();
            self.unless_too_many(counted);
        }
    }
}

/// Answers of the session about the maildrop.
impl<C: LoginChannel> Server<C> {
    /// Answers [`Event::OpenMaildrop`]: the session enters the TRANSACTION state.
    pub fn open(&mut self, maildrop: Maildrop) {
        if matches!(self.core.state, State::AwaitMaildrop) {
            let (messages, octets) = maildrop.totals();
            self.core.maildrop = maildrop;
            self.core.counts.logged_in();
            self.core.state = State::Transaction;
            self.core
                .say(&format!("+OK {messages} messages ({octets} octets)"));
        }
    }

    /// Answers [`Event::OpenMaildrop`]: the session stays in the AUTHORIZATION state.
    pub fn cannot_open(&mut self, why: CannotOpen) {
        if matches!(self.core.state, State::AwaitMaildrop) {
            self.core.state = State::Authorization { user: None };
            self.core.say(match why {
                CannotOpen::InUse => {
                    "-ERR [IN-USE] another session has the mailbox; try again later"
                }
                CannotOpen::Unavailable => {
                    "-ERR [SYS/TEMP] the mailbox cannot be opened at the moment; try again later"
                }
            });
        }
    }
}
