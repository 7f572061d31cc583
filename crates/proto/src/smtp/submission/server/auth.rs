//! AUTH (RFC 4954), by its state rules (R4954-3).

use super::event::Event;
use super::state::{Core, Hello, Progress, State};
use crate::sasl::{Authentication, AuthenticationStep, LoginAnswer, LoginReply};
use crate::smtp::replies;

impl Core {
    /// The AUTH command, where policy lets credentials be taken.
    pub(super) fn auth(&mut self, rest: &[u8]) -> Progress {
        if !self
            .greeted
            .as_ref()
            .is_some_and(|greeted| greeted.how == Hello::Ehlo)
        {
            return self.say(replies::EHLO_FIRST);
        }
        if self.login.is_some() {
            return self.say(replies::ALREADY_AUTHENTICATED);
        }
        if self.transaction.is_some() {
            return self.say(replies::IN_TRANSACTION);
        }
        let mut words = rest.splitn(3, |&octet| octet == b' ');
        let (Some(b""), Some(name), initial) = (words.next(), words.next(), words.next()) else {
            return self.say(replies::BAD_ARGUMENTS);
        };
        let login = self.logins.authentication();
        let step = login.map(|login| login.begin(name, initial));
        self.login_step(step)
    }

    /// A line of the exchange from the client.
    pub(super) fn response(&mut self, line: &[u8]) -> Progress {
        let login = self.logins.authentication();
        let step = login.and_then(|login| login.line(line));
        self.login_step(step)
    }

    /// A line of the exchange that was too long.
    pub(super) fn response_too_long(&mut self) -> Progress {
        let login = self.logins.authentication();
        let step = login.and_then(Authentication::line_too_long);
        self.login_step(step)
    }

    pub(super) fn answer_login(&mut self, answer: LoginAnswer) {
        if matches!(self.state, State::AwaitLogin) {
            let login = self.logins.authentication();
            let step = login.and_then(|login| login.answer(answer));
            let work = self.login_step(step);
            self.hold(work);
        }
    }

    fn login_step(&mut self, step: Option<AuthenticationStep>) -> Progress {
        match step {
            None => Progress::Done,
            Some(AuthenticationStep::Challenge(challenge)) => {
                let line = format!("334 {}\r\n", *challenge);
                self.out.extend_from_slice(line.as_bytes());
                self.state = State::Exchange;
                Progress::Done
            }
            Some(AuthenticationStep::Ask(event)) => {
                self.state = State::AwaitLogin;
                Progress::Event(Event::Login(event))
            }
            Some(AuthenticationStep::Reply(reply)) => self.login_reply(reply),
        }
    }

    /// Says how a login ended, and ends the session after too many that failed.
    fn login_reply(&mut self, login: LoginReply) -> Progress {
        let failed = login.is_failure();
        let reply = match login {
            LoginReply::Success { login } => {
                self.login = Some(login);
                self.counts.logged_in();
                replies::AUTHENTICATED
            }
            LoginReply::PrivacyRequired => self.tls_first(replies::ENCRYPTION_REQUIRED),
            LoginReply::WrongCredentials | LoginReply::BindingUsed => replies::BAD_CREDENTIALS,
            LoginReply::ChannelTooWeak(_) => replies::CHANNEL_TOO_WEAK,
            LoginReply::PasswordChangeNeeded => replies::PASSWORD_CHANGE_NEEDED,
            LoginReply::Unavailable => replies::AUTHENTICATION_UNAVAILABLE,
            LoginReply::Cancelled => replies::CANCELLED,
            LoginReply::NotBase64 => replies::BAD_BASE64,
            LoginReply::TooLong => replies::AUTH_LINE_TOO_LONG,
            LoginReply::Malformed => replies::BAD_RESPONSE,
            LoginReply::UnknownMechanism => return self.say(replies::UNKNOWN_MECHANISM),
        };
        self.state = State::Command;
        reply.write(&mut self.out);
        if failed && let Err(violation) = self.counts.failed_login() {
            return self.give_up(replies::TOO_MANY_ATTEMPTS, violation);
        }
        Progress::Done
    }
}
