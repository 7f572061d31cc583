//! LOGIN and AUTHENTICATE.

use pillarbox_proto::sasl::LoginEvent;

use crate::imap::session::{AUTOLOGOUT, Ended, Session};
use crate::session::ServerConversation;

impl Session {
    pub(in crate::imap) async fn login(&mut self, event: LoginEvent) -> Result<(), Ended> {
        let (remote, channel) = (self.conversation.peer_addr(), self.conversation.channel());
        let client = self.client.as_deref();
        let answer = self.common.answer(remote, channel, client, event).await;
        if self.common.logins.account().is_some() {
            self.common.lift_login_deadline();
            self.conversation.set_idle_timeout(AUTOLOGOUT);
        }
        self.dialogue().answer_login(answer);
        Ok(())
    }
}
