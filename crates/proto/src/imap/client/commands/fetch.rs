//! FETCH (RFC 9051 §6.4.5), always by UID.

use std::num::NonZeroU32;

use super::{
    Client, Command, CommandText, Done, Event, MessageData, NotNow, Outcome, ResponseCode, Sealed,
    Session, State, Violation,
};
use crate::imap::grammar::SequenceSet;

/// A FETCH of one body under way.
pub(in crate::imap::client) struct FetchBody {
    uid: NonZeroU32,
    /// Whether a body has come.
    seen: bool,
}

impl Client<Sealed> {
    /// UID, FLAGS, INTERNALDATE, RFC822.SIZE and ENVELOPE of these UIDs. Each message comes as
    /// [`Event::Message`]; ends in [`Done::Fetched`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn fetch_summaries(&mut self, uids: &SequenceSet) -> Result<(), NotNow> {
        let mut text = CommandText::new("UID FETCH ");
        text.uids(uids)?;
        text.text(" (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)");
        self.begin(Session::Selected, text, Done::Fetched)
    }

    /// The whole of one message, without setting `\Seen`: [`Event::BodyBegins`], [`Event::BodyPiece`]s,
    /// [`Event::BodyEnds`], then [`Done::Fetched`]. Without the first of them there is no such message; without
    /// the third it is not whole and must be thrown away (C19).
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn fetch_body(&mut self, uid: NonZeroU32) -> Result<(), NotNow> {
        let text = CommandText::new(&format!("UID FETCH {uid} (UID BODY.PEEK[])"));
        self.begin(Session::Selected, text, FetchBody { uid, seen: false })
    }
}

impl FetchBody {
    /// Only one body answers a command for one body.
    pub(in crate::imap::client) fn body_comes(&mut self) -> Result<(), Violation> {
        match std::mem::replace(&mut self.seen, true) {
            true => Err(Violation::WrongMessage),
            false => Ok(()),
        }
    }

    /// Whether this is the message that was asked for.
    pub(in crate::imap::client) fn check(&self, data: &MessageData) -> Result<(), Violation> {
        match data.uid == Some(self.uid) {
            true => Ok(()),
            false => Err(Violation::WrongMessage),
        }
    }
}

impl Command for FetchBody {
    fn succeeded(self: Box<Self>, _: Option<ResponseCode>, _: &mut State) -> Outcome {
        Ok(Some(Event::Done(Done::Fetched)))
    }
}
