//! The AUTHORIZATION state: CAPA, STLS, USER and PASS, AUTH, QUIT (RFC 1939 §4, RFC 2595 §4, RFC 5034 §4).

use pillarbox_policy::SecretBytes;

use super::{CannotOpen, PRIVACY_REQUIRED, Pop3, Request, Server, StartTls, State};
use crate::LoginChannel;
use crate::Violation;
use crate::http;
use crate::pop3::capabilities::{self, StlsNow};
use crate::pop3::command::{Command, Fault, keyword, takes_credentials};
use crate::pop3::maildrop::Maildrop;
use crate::sasl::{LoginMethod, LoginReply, Logins};
use crate::server::protocol::Protocol;

impl Pop3 {
    pub(super) fn authorization_line(&mut self, line: &[u8]) {
        if http::is_request(line) {
            return self.give_up(Violation::Http);
        }
        if let Err(violation) = self.shared.counts.command() {
            return self.give_up(violation);
        }
        self.shared.logins.ask_again();
        // Before anything is parsed: the arguments do not matter, so they cannot make a difference.
        if matches!(self.shared.logins, Logins::Ask { .. }) && takes_credentials(keyword(line)) {
            return self.shared.ask_for_permit(line);
        }
        let user = self.take_user();
        self.authorization_command(user, line);
    }

    pub(super) fn authorization_command(&mut self, user: Option<SecretBytes>, line: &[u8]) {
        match Command::parse(line) {
            Ok(Command::Capa) => self.list_capabilities(),
            Ok(Command::Stls) => self.stls(),
            Ok(Command::Quit) => {
                self.say("+OK goodbye");
                self.shared.end(Ok(()));
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
        let mechanisms = self.shared.logins.listed().unwrap_or_default();
        let stls = match (&self.state, self.starttls) {
            (State::Authorization { .. }, StartTls::Offered) => StlsNow::Permitted,
            _ => StlsNow::NotPermitted,
        };
        let list = capabilities::list(mechanisms, stls);
        self.shared.out.extend_from_slice(&list);
    }

    fn stls(&mut self) {
        if self.starttls == StartTls::NoCertificate {
            return self.error("-ERR STLS is not possible here");
        }
        if let Err(injected) = self.shared.nothing_left() {
            return self.give_up(injected.into());
        }
        self.say("+OK begin TLS");
        self.shared.start_tls();
    }

    fn pass(&mut self, login: &[u8], password: &[u8]) {
        let authentication = self.shared.logins.authentication();
        let step = authentication.map(|it| it.password(LoginMethod::UserPass, login, password));
        self.login_step(step);
    }

    fn auth(&mut self, mechanism: &[u8], initial: Option<&[u8]>) {
        let authentication = self.shared.logins.authentication();
        let step = authentication.map(|it| it.begin(mechanism, initial));
        self.login_step(step);
    }

    pub(super) fn login_reply(&mut self, reply: LoginReply) {
        match reply {
            LoginReply::Success { login } => {
                self.shared.ask(Request::OpenMaildrop { login });
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
    }
}

/// Answers of the session about the maildrop.
impl<C: LoginChannel> Server<C> {
    /// Answers [`Request::OpenMaildrop`]: the session enters the TRANSACTION state.
    pub fn open(&mut self, maildrop: Maildrop) {
        if matches!(self.protocol.state, State::AwaitMaildrop) {
            let (messages, octets) = maildrop.totals();
            self.protocol.maildrop = maildrop;
            self.protocol.shared.counts.logged_in();
            self.protocol.state = State::Transaction;
            self.protocol
                .say(&format!("+OK {messages} messages ({octets} octets)"));
        }
    }

    /// Answers [`Request::OpenMaildrop`]: the session stays in the AUTHORIZATION state.
    pub fn cannot_open(&mut self, why: CannotOpen) {
        if matches!(self.protocol.state, State::AwaitMaildrop) {
            self.protocol.state = State::Authorization { user: None };
            self.protocol.say(match why {
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
