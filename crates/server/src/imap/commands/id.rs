//! ID.

use pillarbox_proto::imap::server::Completion;

use crate::imap::session::Session;

/// The longest text of a client about itself that is kept, in octets.
const LONGEST_CLIENT: usize = 255;

impl Session {
    /// ID: remembered for the login record, and logged.
    pub(in crate::imap) fn identified(
        &mut self,
        fields: &[(String, Option<String>)],
    ) -> Completion {
        let value = |wanted: &str| {
            fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| value.as_deref())
        };
        let words: Vec<&str> = [value("name"), value("version"), value("os")]
            .into_iter()
            .flatten()
            .collect();
        let mut client = words.join(" ");
        client.truncate(client.floor_char_boundary(LONGEST_CLIENT));
        if !client.is_empty() {
            tracing::info!(client, "the client says what it is");
            self.common.client = Some(client);
        }
        Completion::DONE
    }
}
