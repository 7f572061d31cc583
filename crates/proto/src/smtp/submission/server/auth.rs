//! AUTH (RFC 4954), by its state rules (R4954-3).

use super::state::{Hello, Submission};
use crate::sasl::LoginReply;
use crate::server::protocol::Protocol;
use crate::smtp::replies;

impl Submission {
    /// The AUTH command, where policy lets credentials be taken.
    pub(super) fn auth(&mut self, rest: &[u8]) {
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
        let login = self.shared.logins.authentication();
        let step = login.map(|login| login.begin(name, initial));
        self.login_step(step);
    }

    /// Says how a login ended.
    pub(super) fn tell_login(&mut self, reply: LoginReply) {
        let reply = match reply {
            LoginReply::Success { login } => {
                self.login = Some(login);
                self.shared.counts.logged_in();
                replies::AUTHENTICATED
            }
            LoginReply::PrivacyRequired => self.tls_first(replies::ENCRYPTION_REQUIRED),
            LoginReply::WrongCredentials => replies::BAD_CREDENTIALS,
            // No 535: nothing was looked at, and programs throw a password away on that.
            LoginReply::BindingUsed => replies::BINDING_USED,
            LoginReply::ChannelTooWeak(_) => replies::CHANNEL_TOO_WEAK,
            LoginReply::PasswordChangeNeeded => replies::PASSWORD_CHANGE_NEEDED,
            LoginReply::Unavailable => replies::AUTHENTICATION_UNAVAILABLE,
            LoginReply::Cancelled => replies::CANCELLED,
            LoginReply::NotBase64 => replies::BAD_BASE64,
            LoginReply::TooLong => replies::AUTH_LINE_TOO_LONG,
            LoginReply::Malformed => replies::BAD_RESPONSE,
            LoginReply::UnknownMechanism => return self.say(replies::UNKNOWN_MECHANISM),
        };
        reply.write(&mut self.shared.out);
    }
}
