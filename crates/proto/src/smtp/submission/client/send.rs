//! Sending one message: MAIL, RCPT, DATA.

use pillarbox_names::Address;

use super::event::{Event, Failure, RefusedRecipient, SendError, Stage};
use crate::dots::DotEncoder;
use crate::smtp::line_ends::{ContentError, LineEnds, Normalizer};
use crate::smtp::{Body, Capabilities, ReversePath, ServerReply};

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
    /// The caller says whether to go on.
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

/// What follows from a reply.
pub(super) enum SendStep {
    /// These commands are to be written; none where the text is empty.
    Say(String),
    /// The caller is told, and the message goes on.
    Tell(Event),
    /// The caller is told, and that was all.
    Ended(Event),
    /// The connection cannot be used any more.
    Broken(Failure),
}

impl Sending {
    /// Begins to send a message; answers the first commands.
    pub(super) fn begin(
        envelope: Envelope,
        capabilities: &Capabilities,
    ) -> Result<(Self, String), SendError> {
        if envelope.recipients.is_empty() {
            return Err(SendError::NoRecipients);
        }
        let size = envelope.size;
        if let Some(limit) = capabilities.size_limit().filter(|&limit| size > limit) {
            return Err(SendError::TooLarge { size, limit });
        }
        if envelope.needs_smtputf8() && !capabilities.offers("SMTPUTF8") {
            return Err(SendError::NeedsSmtpUtf8);
        }
        if envelope.body == Body::EightBitMime && !capabilities.offers("8BITMIME") {
            return Err(SendError::Needs8BitMime);
        }
        let pipelining = capabilities.offers("PIPELINING");
        let mut commands = envelope.mail_command(capabilities);
        let mut sending = Self {
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
        Ok((sending, commands))
    }

    /// Whether the server is to speak next.
    pub(super) fn waits_for_reply(&self) -> bool {
        !matches!(self.at, At::Decision | At::Content { .. })
    }

    /// Asks the caller for content, once for every piece.
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

    /// Takes a reply of the server.
    pub(super) fn answered(&mut self, code: u16, reply: ServerReply) -> SendStep {
        let accepted = code / 100 == 2;
        match &self.at {
            At::Mail if accepted => {
                self.at = At::Rcpt;
                self.more_recipients()
            }
            At::Mail => {
                self.at = At::MailRefused(reply);
                self.recipients_answered()
            }
            At::MailRefused(_) => {
                self.answered += 1;
                self.recipients_answered()
            }
            At::Rcpt => {
                if !accepted && let Some(address) = self.recipients.get(self.answered) {
                    let address = address.clone();
                    self.refused.push(RefusedRecipient { address, reply });
                }
                self.answered += 1;
                if self.answered == self.recipients.len() {
                    self.recipients_answered()
                } else {
                    self.more_recipients()
                }
            }
            At::Data(line_ends) if code == 354 => {
                self.at = At::Content {
                    normalizer: Normalizer::new(*line_ends),
                    encoder: DotEncoder::default(),
                    asked: Asked::NotYet,
                };
                SendStep::Say(String::new())
            }
            // Success before any content was seen: nothing was sent (C13).
            At::Data(_) if accepted => SendStep::Broken(Failure::Nonsense {
                stage: Stage::Data,
                reply,
            }),
            At::Data(_) => not_sent(Stage::Data, reply),
            At::End if code == 250 => SendStep::Ended(Event::Sent(reply)),
            At::End if accepted || code / 100 == 3 => SendStep::Broken(Failure::Nonsense {
                stage: Stage::Content,
                reply,
            }),
            At::End => not_sent(Stage::Content, reply),
            At::Decision | At::Content { .. } => SendStep::Broken(Failure::Unsolicited),
        }
    }

    /// More RCPTs, once all that were sent ahead are answered.
    fn more_recipients(&mut self) -> SendStep {
        SendStep::Say(if self.written == self.answered {
            self.next_recipients()
        } else {
            String::new()
        })
    }

    fn recipients_answered(&mut self) -> SendStep {
        match &self.at {
            At::MailRefused(reply) if self.answered == self.written => {
                not_sent(Stage::Sender, reply.clone())
            }
            At::Rcpt => {
                self.at = At::Decision;
                SendStep::Tell(Event::RecipientsAnswered {
                    accepted: self.recipients.len() - self.refused.len(),
                    refused: std::mem::take(&mut self.refused),
                })
            }
            _ => SendStep::Say(String::new()),
        }
    }

    /// Whether the caller is asked whether to go on.
    pub(super) fn is_at_decision(&self) -> bool {
        matches!(self.at, At::Decision)
    }

    /// The caller goes on: DATA is to be written.
    pub(super) fn go_ahead(&mut self, line_ends: LineEnds) {
        self.at = At::Data(line_ends);
    }

    /// Puts a piece of content into the form it travels in.
    pub(super) fn content(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), ContentError> {
        let At::Content {
            normalizer,
            encoder,
            asked: asked @ Asked::Already,
        } = &mut self.at
        else {
            return Err(ContentError::OutOfTurn);
        };
        encoder.encode(&normalizer.push(piece)?, out);
        *asked = Asked::NotYet;
        Ok(())
    }

    /// Ends the content.
    pub(super) fn end_content(&mut self, out: &mut Vec<u8>) -> Result<(), ContentError> {
        let At::Content {
            normalizer,
            encoder,
            asked: Asked::Already,
        } = &mut self.at
        else {
            return Err(ContentError::OutOfTurn);
        };
        normalizer.finish()?;
        encoder.finish(out);
        self.at = At::End;
        Ok(())
    }
}

fn not_sent(stage: Stage, reply: ServerReply) -> SendStep {
    SendStep::Ended(Event::NotSent { stage, reply })
}
