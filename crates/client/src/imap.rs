//! Reading over an IMAP session.

use std::num::NonZeroU32;

use pillarbox_policy::Credentials;
use pillarbox_proto::imap::client::{
    AuthenticateError, ClearEvent, Client, ClientCertificate, Done, Event, MailboxName,
    MessageData, SearchKey, TagSeed,
};
use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::message::Address;
use pillarbox_proto::{Clear, Sealed};
use pillarbox_transport::Conversation;

use crate::error::{ClientError, out_of_turn};
use crate::message::{MAX_MESSAGE, Summary, summary};
use crate::session::{Broken, LoggedIn, LoginError, Protocol, Session, next};

/// IMAP, as a client speaks it.
#[derive(Debug)]
pub struct Imap;

/// An IMAP session that is logged in.
pub type ImapSession = LoggedIn<Imap>;

impl Protocol for Imap {
    type Clear = Client<Clear>;
    type Sealed = Client<Sealed>;

    fn clear_settings() -> Result<TagSeed, Broken> {
        crate::random::tag_seed().map_err(Broken::ours)
    }

    fn settings() -> ClientCertificate {
        ClientCertificate::NotSent
    }

    async fn ask_for_tls(clear: &mut Conversation<Client<Clear>>) -> Result<(), Broken> {
        loop {
            match next(clear).await? {
                ClearEvent::Greeted => clear.machine().start_tls().map_err(Broken::ours)?,
                ClearEvent::Capabilities(_) => {}
                ClearEvent::ReadyForTls => return Ok(()),
            }
        }
    }

    async fn log_in(
        session: &mut Session<Self>,
        credentials: &Credentials,
    ) -> Result<(), LoginError> {
        while session.next().await? != Event::Ready {}
        let nonce = crate::random::nonce().map_err(LoginError::exchange)?;
        match session.machine().authenticate(credentials, nonce) {
            Ok(()) => {}
            Err(AuthenticateError::Refused(why)) => return Err(why.into()),
            Err(why) => return Err(LoginError::exchange(why)),
        }
        loop {
            match session.next().await? {
                Event::Done(Done::Authenticated(mechanism)) => {
                    tracing::debug!(?mechanism, "IMAP login");
                    return Ok(());
                }
                Event::Refused(refused) => return Err(LoginError::refused(refused.text)),
                _ => {}
            }
        }
    }

    fn quit(machine: &mut Client<Sealed>) {
        if let Err(why) = machine.logout() {
            tracing::debug!(%why, "QUIT cannot be sent");
        }
    }
}

impl ImapSession {
    /// The names of the mailboxes that can be opened.
    ///
    /// # Errors
    /// The server refused, or the connection broke off.
    pub async fn mailboxes(&mut self) -> Result<Vec<String>, ClientError> {
        let all = MailboxName::new("*");
        self.machine()
            .list(&MailboxName::new(""), &all)
            .map_err(out_of_turn)?;
        let mut names = Vec::new();
        self.finish("the list of mailboxes", |event| {
            if let Event::Mailbox(listing) = event
                && !listing.has("\\Noselect")
                && !listing.has("\\NonExistent")
            {
                names.push(listing.name.to_text());
            }
        })
        .await?;
        names.sort();
        Ok(names)
    }

    /// The newest messages of a mailbox, at most `limit`, in order.
    ///
    /// # Errors
    /// The server refused, or the connection broke off.
    pub async fn list(&mut self, mailbox: &str, limit: u32) -> Result<Vec<Summary>, ClientError> {
        let uids = self.uids(mailbox).await?;
        let first = uids
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        let wanted = uids.get(first..).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let set = SequenceSet::of(wanted.iter().copied());
        self.machine().fetch_summaries(&set).map_err(out_of_turn)?;
        let mut list: Vec<Summary> = Vec::new();
        self.finish("the list of messages", |event| {
            if let Event::Message(data) = event {
                // a message without an envelope is news about flags, not an answer
                list.extend(line(&data));
            }
        })
        .await?;
        list.sort_by_key(|summary| summary.number);
        Ok(list)
    }

    /// A message by its number in the mailbox, whole.
    ///
    /// # Errors
    /// There is none, it is too large, the server refused, or the connection broke off.
    pub async fn message(&mut self, mailbox: &str, number: u32) -> Result<Vec<u8>, ClientError> {
        let uids = self.uids(mailbox).await?;
        let at = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1));
        let uid = at.and_then(|at| uids.get(at)).copied();
        self.body(number, uid).await
    }

    /// A message by its UID, whole.
    ///
    /// # Errors
    /// As [`ImapSession::message`].
    pub async fn message_by_uid(
        &mut self,
        mailbox: &str,
        uid: u32,
    ) -> Result<Vec<u8>, ClientError> {
        self.open(mailbox).await?;
        self.body(uid, Some(uid)).await
    }

    async fn body(&mut self, shown: u32, uid: Option<u32>) -> Result<Vec<u8>, ClientError> {
        let uid = uid
            .and_then(NonZeroU32::new)
            .ok_or(ClientError::NoMessage(shown))?;
        self.machine().fetch_body(uid).map_err(out_of_turn)?;
        let mut body: Option<Vec<u8>> = None;
        let mut complete = false;
        let mut too_large = None;
        self.finish("the message", |event| match event {
            Event::BodyBegins { size } => {
                too_large = (size > MAX_MESSAGE).then_some(size);
                body = Some(Vec::new());
            }
            Event::BodyPiece(piece) if too_large.is_none() => {
                if let Some(body) = &mut body {
                    body.extend_from_slice(&piece);
                }
            }
            Event::BodyEnds => complete = true,
            _ => {}
        })
        .await?;
        match (body, complete, too_large) {
            (_, _, Some(size)) => Err(ClientError::too_large(size)),
            (Some(body), true, None) => Ok(body),
            (Some(_), false, None) => Err(Broken::Ended.into()),
            (None, _, None) => Err(ClientError::NoMessage(shown)),
        }
    }

    /// Opens a mailbox without leave to change it.
    async fn open(&mut self, mailbox: &str) -> Result<(), ClientError> {
        self.machine()
            .examine(&MailboxName::new(mailbox))
            .map_err(out_of_turn)?;
        self.finish("to open the mailbox", |_| ()).await
    }

    /// The UIDs of a mailbox, in order.
    async fn uids(&mut self, mailbox: &str) -> Result<Vec<u32>, ClientError> {
        self.open(mailbox).await?;
        self.machine()
            .search(&[SearchKey::All])
            .map_err(out_of_turn)?;
        let mut uids = Vec::new();
        self.finish("the list of messages", |event| {
            if let Event::Found(found) = event {
                uids.extend(found);
            }
        })
        .await?;
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }

    /// Takes events until the command is over.
    async fn finish(
        &mut self,
        what: &'static str,
        mut take: impl FnMut(Event),
    ) -> Result<(), ClientError> {
        loop {
            match self.next().await? {
                Event::Done(_) => return Ok(()),
                Event::Refused(refused) => return Err(ClientError::refused(what, refused.text)),
                Event::Bye(_) => return Err(Broken::Ended.into()),
                event => take(event),
            }
        }
    }
}

/// A line of a list, from the envelope.
fn line(data: &MessageData) -> Option<Summary> {
    let envelope = data.envelope.as_ref()?;
    let mut header = Vec::new();
    let (date, subject) = (envelope.date.as_deref(), envelope.subject.as_deref());
    field(&mut header, "Date", date.unwrap_or_default());
    field(&mut header, "Subject", subject.unwrap_or_default());
    let from: Vec<Vec<u8>> = envelope.from.iter().filter_map(mailbox).collect();
    field(&mut header, "From", &from.join(&b", "[..]));
    header.extend_from_slice(b"\r\n");
    Some(summary(
        data.number,
        data.uid.map(|uid| uid.to_string()),
        data.size.unwrap_or(0),
        data.flags
            .as_ref()
            .map(|flags| flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Seen"))),
        &header,
    ))
}

/// Writes a header field that holds one line, whatever the server put into the envelope.
fn field(header: &mut Vec<u8>, name: &str, value: &[u8]) {
    header.extend_from_slice(name.as_bytes());
    header.extend_from_slice(b": ");
    header.extend(value.iter().map(|octet| {
        if matches!(octet, b'\r' | b'\n') {
            b' '
        } else {
            *octet
        }
    }));
    header.extend_from_slice(b"\r\n");
}

/// `name <local@domain>` as a header field has it; encoded words stay bare so that they are decoded.
fn mailbox(address: &Address) -> Option<Vec<u8>> {
    let Address::Mailbox {
        name,
        local_part,
        domain,
        ..
    } = address
    else {
        return None;
    };
    let mut text = Vec::new();
    if let Some(name) = name {
        if name.windows(2).any(|at| at == b"=?") {
            text.extend_from_slice(name);
        } else {
            text.push(b'"');
            text.extend(name.iter().filter(|octet| !matches!(octet, b'"' | b'\\')));
            text.push(b'"');
        }
        text.push(b' ');
    }
    text.push(b'<');
    text.extend_from_slice(local_part);
    text.push(b'@');
    text.extend_from_slice(domain);
    text.push(b'>');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pillarbox_proto::message::Envelope;

    #[test]
    fn a_line_is_made_from_the_envelope() {
        let sender = Address::Mailbox {
            name: Some(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=".to_vec()),
            route: None,
            local_part: b"bob".to_vec(),
            domain: b"example.net".to_vec(),
        };
        let envelope = Envelope {
            date: Some(b"Mon, 5 Jan 2026 10:00:00 +0100".to_vec()),
            subject: Some(b"=?utf-8?q?=C3=A4?=\r\nFrom: forged@example.com".to_vec()),
            from: vec![sender],
            sender: Vec::new(),
            reply_to: Vec::new(),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            in_reply_to: None,
            message_id: None,
        };
        let mut data = MessageData::default();
        data.number = 4;
        data.uid = NonZeroU32::new(40);
        data.flags = Some(vec!["\\seen".to_owned()]);
        data.size = Some(99);
        data.envelope = Some(Box::new(envelope));
        let line = line(&data).unwrap();
        assert_eq!(line.from, "Grüße <bob@example.net>");
        assert!(
            line.subject.starts_with('ä') && line.subject.contains("forged"),
            "{}",
            line.subject
        );
        assert_eq!(
            (line.seen, line.uid.as_deref(), line.size),
            (Some(true), Some("40"), 99)
        );
        assert_eq!(line.date.as_deref(), Some("2026-01-05T10:00:00+01:00"));
        assert_eq!(super::line(&MessageData::default()), None);
    }
}
