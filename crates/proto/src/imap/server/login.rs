//! How [`Authentication`] stands on IMAP's wire.

use pillarbox_policy::LoginAbort;

use crate::sasl::{
    Authentication, AuthenticationStep, LoginAnswer, LoginEvent, LoginMethod, LoginReply,
};

use super::commands::login::{PRIVACY_REQUIRED, Started};
use super::commands::{self, Event};
use super::dialogue::{Dialogue, Turn};
use super::reply::{Completion, ResponseCode};

impl Dialogue {
    pub(in crate::imap::server) fn start_login(&mut self, started: &Started) {
        let step = self.authentication.as_mut().map(|login| match started {
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
                let step = self
                    .authentication
                    .as_mut()
                    .and_then(|login| login.answer(answer));
                self.login_step(step);
            }
            other => self.turn = other,
        }
    }

    /// The conversation is over: the attempt to log in that is under way, if there is one, ended so. To be put on
    /// record.
    pub(super) fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.authentication
            .as_mut()
            .and_then(|login| login.abort(how))
    }

    /// The client's line in an exchange.
    pub(in crate::imap::server) fn exchange_line(&mut self, line: &[u8]) {
        let step = self
            .authentication
            .as_mut()
            .and_then(|login| login.line(line));
        self.login_step(step);
    }

    /// The client's line in an exchange was too long.
    pub(in crate::imap::server) fn exchange_line_too_long(&mut self) {
        let step = self
            .authentication
            .as_mut()
            .and_then(Authentication::line_too_long);
        self.login_step(step);
    }

    fn login_step(&mut self, step: Option<AuthenticationStep>) {
        match step {
            None => {}
            Some(AuthenticationStep::Challenge(challenge)) => {
                self.responses().output().line(&format!("+ {}", *challenge));
                self.turn = Turn::LoginClient;
            }
            Some(AuthenticationStep::Ask(event)) => {
                self.turn = Turn::LoginSession;
                self.event = Some(Event::Login(event));
            }
            Some(AuthenticationStep::Reply(reply)) => self.login_reply(&reply),
        }
    }

    fn login_reply(&mut self, reply: &LoginReply) {
        let no = |code, text| Completion::No(Some(code), text);
        let completion = match reply {
            LoginReply::Success { .. } => {
                self.front.logged_in();
                let list = commands::capabilities(&self.front.state);
                return self
                    .responses()
                    .tagged(&format!("OK [CAPABILITY {list}] Logged in"));
            }
            LoginReply::PrivacyRequired => PRIVACY_REQUIRED,
            LoginReply::WrongCredentials => no(
                ResponseCode::AuthenticationFailed,
                "Wrong login or password",
            ),
            LoginReply::ChannelTooWeak(_) => no(
                ResponseCode::PrivacyRequired,
                "This account needs better encryption than this connection has",
            ),
            LoginReply::PasswordChangeNeeded => no(
                ResponseCode::Expired,
                "The password must be changed before it can be used again",
            ),
            LoginReply::Unavailable => no(ResponseCode::Unavailable, "Try again later"),
            LoginReply::Cancelled => Completion::Bad("Authentication cancelled"),
            LoginReply::NotBase64 => Completion::Bad("expected base64"),
            LoginReply::TooLong => Completion::Bad("The line is too long"),
            LoginReply::Malformed => Completion::Bad("expected a message of the mechanism"),
            LoginReply::UnknownMechanism => no(ResponseCode::Cannot, "No such mechanism here"),
            LoginReply::BindingUsed => no(
                ResponseCode::Cannot,
                "This mechanism was used already; connect again for it",
            ),
        };
        self.responses().complete(&completion);
        if reply.is_failure() {
            self.front.count_failed_login();
        }
    }
}
