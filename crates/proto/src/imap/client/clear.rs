//! [`Client<Clear>`](Client): greeting, CAPABILITY, STARTTLS; anything else ends it.

use std::fmt;

use super::capability::Capabilities;
use super::command::NotNow;
use super::machine::{Client, Phase};
use super::response::{self, Condition, Response, Unreadable};
use super::violation::{StripSign, Violation};
use crate::channel::{Clear, End, Injected};
use crate::imap::framing::FrameError;
use crate::line::{LineBuffer, LineLimits};
use crate::machine::{Machine, OnChannel, Start, Step, Upgrade};

/// How many untagged CAPABILITY responses are put up with in the clear.
const PATIENCE: u8 = 4;

/// Randomness for the tags of the clear phase: an answer that was sent before the question was seen cannot
/// carry the right tag (C13).
#[derive(Clone, Copy)]
pub struct TagSeed([u8; 16]);

impl TagSeed {
    /// The octets must be fresh and come from a cryptographic source.
    #[must_use]
    pub fn from_random(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// One tag for each of the two commands; neither tells anything about the other.
    fn tags(self) -> [String; 2] {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let (first, second) = self.0.split_at(8);
        [hex(first), hex(second)]
    }
}

impl fmt::Debug for TagSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagSeed(..)")
    }
}

/// What happens in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClearEvent {
    /// The server greeted. Its words are not kept (C10).
    Greeted,
    /// The answer to [`Client::ask_capabilities`]. Advice and no more: STARTTLS is sent whatever it says.
    Capabilities(Capabilities),
    /// STARTTLS succeeded and not one byte followed: do the handshake.
    ReadyForTls,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Greeting,
    Idle,
    Asked(Option<Capabilities>),
    StartTls,
    Ready,
}

/// What the machine keeps in the clear.
pub struct State {
    channel: Clear,
    stage: Stage,
    lines: LineBuffer,
    tags: [String; 2],
    out: Vec<u8>,
    patience: u8,
    broken: Option<Violation>,
}

impl Phase for Clear {
    type State = State;
}

impl OnChannel for Client<Clear> {
    type Channel = Clear;

    fn channel(&self) -> &Clear {
        &self.state.channel
    }
}

impl Start for Client<Clear> {
    type Settings = TagSeed;

    /// Waits for the greeting.
    fn start(channel: &Clear, seed: TagSeed) -> Self {
        Self {
            state: State {
                channel: channel.share(),
                stage: Stage::Greeting,
                lines: LineBuffer::new(LineLimits::default()),
                tags: seed.tags(),
                out: Vec::new(),
                patience: PATIENCE,
                broken: None,
            },
        }
    }
}

impl Upgrade for Client<Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        End::Client.found(self.state.lines.len())
    }
}

impl Client<Clear> {
    /// Asks what the server can do, if only for the record (S4-17): nothing depends on the answer. At most
    /// once.
    ///
    /// # Errors
    /// The greeting has not come, or something was sent already.
    pub fn ask_capabilities(&mut self) -> Result<(), NotNow> {
        self.send(0, "CAPABILITY", Stage::Asked(None))
    }

    /// Asks for TLS, whether the server offers it or not (C4).
    ///
    /// # Errors
    /// The greeting has not come, or a command is under way.
    pub fn start_tls(&mut self) -> Result<(), NotNow> {
        self.send(1, "STARTTLS", Stage::StartTls)
    }

    fn send(&mut self, tag: usize, command: &str, stage: Stage) -> Result<(), NotNow> {
        let state = &mut self.state;
        if state.broken.is_some() || state.stage != Stage::Idle {
            return Err(NotNow::Busy);
        }
        let Some(tag) = state.tags.get(tag) else {
            return Err(NotNow::Busy);
        };
        state.out = format!("{tag} {command}\r\n").into_bytes();
        state.stage = stage;
        Ok(())
    }
}

impl State {
    fn line(&mut self, line: &[u8]) -> Result<Option<ClearEvent>, Violation> {
        match &mut self.stage {
            Stage::Greeting => {
                greeting(line)?;
                self.stage = Stage::Idle;
                Ok(Some(ClearEvent::Greeted))
            }
            Stage::Idle | Stage::Ready => Err(Violation::Unsolicited),
            Stage::Asked(capabilities) => {
                let [tag, _] = &self.tags;
                match answer(line, tag)? {
                    Answer::Capabilities(list) => {
                        self.patience =
                            self.patience.checked_sub(1).ok_or(Violation::Unsolicited)?;
                        *capabilities = Some(list);
                        Ok(None)
                    }
                    Answer::Ok => {
                        let list = capabilities.take().unwrap_or_default();
                        self.stage = Stage::Idle;
                        Ok(Some(ClearEvent::Capabilities(list)))
                    }
                    Answer::Not(_) => {
                        Err(Violation::StarttlsStripped(StripSign::CapabilityRefused))
                    }
                }
            }
            Stage::StartTls => {
                let [_, tag] = &self.tags;
                match answer(line, tag)? {
                    Answer::Capabilities(_) => {
                        self.patience =
                            self.patience.checked_sub(1).ok_or(Violation::Unsolicited)?;
                        Ok(None)
                    }
                    Answer::Ok if self.lines.is_empty() => {
                        self.stage = Stage::Ready;
                        Ok(Some(ClearEvent::ReadyForTls))
                    }
                    Answer::Ok => Err(Injected {
                        found_by: End::Client,
                        bytes: self.lines.len(),
                    }
                    .into()),
                    Answer::Not(sign) => Err(Violation::StarttlsStripped(sign)),
                }
            }
        }
    }
}

/// Accepts exactly `* OK` (C12).
fn greeting(line: &[u8]) -> Result<(), Violation> {
    match response::greeting(line)?.condition {
        Condition::PreAuth => Err(Violation::PreauthInClear),
        Condition::Bye => Err(Violation::Bye { text: None }),
        _ => Ok(()),
    }
}

enum Answer {
    Capabilities(Capabilities),
    Ok,
    Not(StripSign),
}

fn answer(line: &[u8], tag: &str) -> Result<Answer, Violation> {
    let is_ours = |found: &[u8]| found == tag.as_bytes();
    match response::parse(line) {
        Ok(Response::Capability(list)) => Ok(Answer::Capabilities(list)),
        Ok(Response::Continuation(_)) => Ok(Answer::Not(StripSign::Continuation)),
        Ok(Response::Tagged(found, status)) if is_ours(found) => Ok(match status.condition {
            Condition::Ok => Answer::Ok,
            Condition::No => Answer::Not(StripSign::No),
            _ => Answer::Not(StripSign::Bad),
        }),
        Err(Unreadable::NotImap)
            if line
                .split(|octet| *octet == b' ')
                .next()
                .is_some_and(is_ours) =>
        {
            Ok(Answer::Not(StripSign::OtherAnswer))
        }
        // Whoever wrote it has not seen the command.
        Ok(Response::Tagged(..)) | Err(Unreadable::NotImap) => Err(Violation::EarlyAnswer),
        _ => Err(Violation::Unsolicited),
    }
}

impl Machine for Client<Clear> {
    type Event = ClearEvent;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        if self.state.broken.is_none() {
            self.state.lines.push(bytes);
        }
    }

    fn poll(&mut self) -> Step<ClearEvent, Violation> {
        let state = &mut self.state;
        if let Some(violation) = &state.broken {
            return Step::Err(violation.clone());
        }
        let next = if !state.out.is_empty() {
            if state.lines.is_empty() {
                return Step::Output(std::mem::take(&mut state.out).into());
            }
            // Whatever stands here was sent before the command was written.
            Err(Violation::EarlyAnswer)
        } else if state.stage == Stage::Ready && !state.lines.is_empty() {
            Err(Violation::Injected(Injected {
                found_by: End::Client,
                bytes: state.lines.len(),
            }))
        } else {
            match state.lines.next_line() {
                Ok(None) => return Step::NeedInput,
                Ok(Some(line)) => state.line(line.as_bytes()),
                Err(error) => Err(FrameError::from(error).into()),
            }
        };
        match next {
            Ok(Some(event)) => Step::Event(event),
            // A CAPABILITY response: look at the next line.
            Ok(None) => self.poll(),
            Err(violation) => {
                state.out.clear();
                state.lines = LineBuffer::default();
                state.broken = Some(violation.clone());
                Step::Err(violation)
            }
        }
    }
}
