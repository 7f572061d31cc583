//! Sending one message: MAIL, RCPT, DATA.

use pillarbox_names::Address;

use super::dialogue::{Dialogue, State};
use super::event::{Event, Failure, SendError, Stage};
use super::lines::{ContentError, LineEnds, Normalizer};
use super::reply::RawReply;
use super::{Capabilities, ServerReply};
use crate::submission::content::DotEncoder;
use crate::submission::{Body, ReversePath};

/// The most commands sent ahead of their replies: their replies fit the smallest of send buffers, so that
/// neither end waits for the other (RFC 2920 §3.1).
const AHEAD: usize = 64;

/// Who a message is from and for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where bounces go.
    pub sender: ReversePath,
    /// Where it goes; at least one.
    pub recipients: Vec<Address>,
    /// Octets of the content with CRLF line ends, as near as it is known.
    pub size: u64,
    /// What the content is made of.
    pub body: Body,
    /// Whether header fields hold more than ASCII (RFC 6532). Addresses are looked at besides.
    pub utf8_header: bool,
}

impl Envelope {
    fn needs_smtputf8(&self) -> bool {
        self.utf8_header
            || !self.sender.address().is_none_or(Address::is_ascii)
            || !self.recipients.iter().all(Address::is_ascii)
    }

    fn mail_command(&self, capabilities: &Capabilities) -> String {
        let mut command = format!("MAIL FROM:{}", self.sender);
        if capabilities.offers("SIZE") {
            command.push_str(&format!(" SIZE={}", self.size));
        }
        if self.body == Body::EightBitMime {
            command.push_str(" BODY=8BITMIME");
        }
        if self.needs_smtputf8() {
            command.push_str(" SMTPUTF8");
        }
        command
    }
}

/// A recipient that the server did not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecipient {
    /// Who.
    pub address: Address,
    /// How.
    pub reply: ServerReply,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Sending {
    recipients: Vec<Address>,
    /// Commands written ahead of their replies, at most.
    ahead: usize,
    /// Recipients whose RCPT was written.
    written: usize,
    /// Recipients whose RCPT was answered.
    answered: usize,
    refused: Vec<RefusedRecipient>,
    at: At,
}

#[derive(Debug)]
enum At {
    Mail,
    /// MAIL was refused; replies to RCPTs sent ahead are read and left aside.
    MailRefused(ServerReply),
    Rcpt,
    /// The owner says whether to go on.
    Decision,
    Data(LineEnds),
    Content {
        normalizer: Normalizer,
        encoder: DotEncoder,
        asked: Asked,
    },
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    NotYet,
    Already,
}

impl Sending {
    /// Whether the server is to speak next.
    pub(super) fn waits_for_reply(&self) -> bool {
        !matches!(self.at, At::Decision | At::Content { .. })
    }

    /// Asks the owner for content, once for every piece.
    pub(super) fn ask_for_content(&mut self) -> Option<Event> {
        match &mut self.at {
            At::Content { asked, .. } if *asked == Asked::NotYet => {
                *asked = Asked::Already;
                Some(Event::NeedContent)
            }
            _ => None,
        }
    }

    /// The next RCPT commands, as many as may be sent now.
    fn next_recipients(&mut self) -> String {
        let mut commands = Vec::new();
        let room = self.ahead.saturating_sub(self.written - self.answered);
        for recipient in self.recipients.iter().skip(self.written).take(room) {
            commands.push(format!("RCPT TO:<{recipient}>"));
        }
        self.written += commands.len();
        commands.join("\r\n")
    }
}

impl Dialogue {
    pub(super) fn send(&mut self, envelope: Envelope) -> Result<(), SendError> {
        if !matches!(self.state, State::Idle) || self.authenticated.is_none() {
            return Err(SendError::OutOfTurn);
        }
        if envelope.recipients.is_empty() {
            return Err(SendError::NoRecipients);
        }
        let size = envelope.size;
        if let Some(limit) = self.capabilities.size_limit().filter(|&limit| size > limit) {
            return Err(SendError::TooLarge { size, limit });
        }
        if envelope.needs_smtputf8() && !self.capabilities.offers("SMTPUTF8") {
            return Err(SendError::NeedsSmtpUtf8);
        }
        if envelope.body == Body::EightBitMime && !self.capabilities.offers("8BITMIME") {
            return Err(SendError::Needs8BitMime);
        }
        let pipelining = self.capabilities.offers("PIPELINING");
        let mut commands = envelope.mail_command(&self.capabilities);
        let mut sending = Sending {
            recipients: envelope.recipients,
            ahead: if pipelining { AHEAD } else { 1 },
            written: 0,
            answered: 0,
            refused: Vec::new(),
            at: At::Mail,
        };
        if pipelining {
            commands.push_str("\r\n");
            commands.push_str(&sending.next_recipients());
        }
        self.state = State::Sending(Box::new(sending));
        self.say(&commands);
        Ok(())
    }

    pub(super) fn sending_answered(&mut self, mut sending: Sending, raw: &RawReply) {
        let reply = self.shown(raw);
        let accepted = raw.code / 100 == 2;
        match sending.at {
            At::Mail if accepted => {
                sending.at = At::Rcpt;
                self.next_recipients(sending);
            }
            At::Mail => {
                sending.at = At::MailRefused(reply);
                self.recipients_answered(sending);
            }
            At::MailRefused(_) => {
                sending.answered += 1;
                self.recipients_answered(sending);
            }
            At::Rcpt => {
                if !accepted && let Some(address) = sending.recipients.get(sending.answered) {
                    let address = address.clone();
                    sending.refused.push(RefusedRecipient { address, reply });
                }
                sending.answered += 1;
                if sending.answered == sending.recipients.len() {
                    self.recipients_answered(sending);
                } else {
                    self.next_recipients(sending);
                }
            }
            At::Data(line_ends) if raw.code == 354 => {
                sending.at = At::Content {
                    normalizer: Normalizer::new(line_ends),
                    encoder: DotEncoder::default(),
                    asked: Asked::NotYet,
                };
                self.state = State::Sending(Box::new(sending));
            }
            // Success before any content was seen: nothing was sent (C13).
            At::Data(_) if accepted => self.fail(Failure::Nonsense {
                stage: Stage::Data,
                reply,
            }),
            At::Data(_) => self.not_sent(Stage::Data, reply),
            At::End if raw.code == 250 => self.events.push_back(Event::Sent(reply)),
            At::End if accepted || raw.code / 100 == 3 => self.fail(Failure::Nonsense {
                stage: Stage::Content,
                reply,
            }),
            At::End => self.not_sent(Stage::Content, reply),
            At::Decision | At::Content { .. } => self.fail(Failure::Unsolicited),
        }
    }

    fn not_sent(&mut self, stage: Stage, reply: ServerReply) {
        self.events.push_back(Event::NotSent { stage, reply });
    }

    /// Writes more RCPTs, once all that were sent ahead are answered.
    fn next_recipients(&mut self, mut sending: Sending) {
        let commands = if sending.written == sending.answered {
            sending.next_recipients()
        } else {
            String::new()
        };
        self.state = State::Sending(Box::new(sending));
        if !commands.is_empty() {
            self.say(&commands);
        }
    }

    fn recipients_answered(&mut self, mut sending: Sending) {
        match sending.at {
            At::MailRefused(reply) if sending.answered == sending.written => {
                self.not_sent(Stage::Sender, reply);
            }
            At::Rcpt => {
                self.events.push_back(Event::RecipientsAnswered {
                    accepted: sending.recipients.len() - sending.refused.len(),
                    refused: std::mem::take(&mut sending.refused),
                });
                sending.at = At::Decision;
                self.state = State::Sending(Box::new(sending));
            }
            _ => self.state = State::Sending(Box::new(sending)),
        }
    }

    pub(super) fn go_ahead(&mut self, line_ends: LineEnds) {
        if let State::Sending(sending) = &mut self.state
            && matches!(sending.at, At::Decision)
        {
            sending.at = At::Data(line_ends);
            self.say("DATA");
        }
    }

    pub(super) fn give_up(&mut self) {
        if let State::Sending(sending) = &self.state
            && matches!(sending.at, At::Decision)
        {
            self.state = State::Reset;
            self.say("RSET");
        }
    }

    pub(super) fn content(&mut self, piece: &[u8]) -> Result<(), ContentError> {
        let (normalizer, encoder, asked) = self.at_content()?;
        match normalizer.push(piece) {
            Ok(lines) => {
                let mut out = Vec::with_capacity(lines.len() + 16);
                encoder.encode(&lines, &mut out);
                *asked = Asked::NotYet;
                self.out.extend_from_slice(&out);
                Ok(())
            }
            Err(error) => {
                self.fail(Failure::Content(error));
                Err(error)
            }
        }
    }

    pub(super) fn end_content(&mut self) -> Result<(), ContentError> {
        let (normalizer, encoder, _) = self.at_content()?;
        if let Err(error) = normalizer.finish() {
            self.fail(Failure::Content(error));
            return Err(error);
        }
        let encoder = *encoder;
        let mut out = Vec::new();
        encoder.finish(&mut out);
        self.out.extend_from_slice(&out);
        if let State::Sending(sending) = &mut self.state {
            sending.at = At::End;
        }
        Ok(())
    }

    fn at_content(
        &mut self,
    ) -> Result<(&mut Normalizer, &mut DotEncoder, &mut Asked), ContentError> {
        match &mut self.state {
            State::Sending(sending) => match &mut sending.at {
                At::Content {
                    normalizer,
                    encoder,
                    asked,
                } if *asked == Asked::Already => Ok((normalizer, encoder, asked)),
                _ => Err(ContentError::OutOfTurn),
            },
            _ => Err(ContentError::OutOfTurn),
        }
    }
}
