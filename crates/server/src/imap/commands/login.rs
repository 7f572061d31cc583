//! LOGIN and AUTHENTICATE.

use pillarbox_proto::sasl::LoginEvent;

use crate::auth::Origin;
use crate::imap::AUTOLOGOUT;
use crate::imap::session::{Ended, Session};

impl Session {
    pub(in crate::imap) async fn login(&mut self, event: LoginEvent) -> Result<(), Ended> {
        let origin = Origin {
            listener: self.listener.label(),
            remote: self.conversation.peer_addr(),
            channel: self.conversation.channel(),
            client: self.client.as_deref(),
        };
        let authenticator = &self.context.authenticator;
        let answer = authenticator.answer(&mut self.logins, &origin, event).await;
        if self.logins.account().is_some() {
            self.conversation.set_idle_timeout(AUTOLOGOUT);
        }
        self.dialogue().answer_login(answer);
        Ok(())
    }
}
