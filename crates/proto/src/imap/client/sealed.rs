//! [`Client<Sealed>`](Client): how it reads.

use super::commands::{Append, FetchBody};
use super::event::{Event, Refused};
use super::fetch::{self, MessageData};
use super::machine::Client;
use super::response::{
    self, Condition, Response, ResponseCode, Status, Unreadable, may_hold_literals,
};
use super::session::{ClientCertificate, LIMITS, Reading, Session, State};
use super::violation::Violation;
use crate::channel::Sealed;
use crate::imap::framing::{Frame, Framer};
use crate::imap::grammar::Cursor;
use crate::machine::{MAX_OUTPUT, Machine, OnChannel, Start, Step};

/// How many literals may stand in a response that a body is looked for in. Honest ones have none but the body;
/// each makes the text before it be read again.
const LITERALS_BEFORE_BODY: u8 = 16;

impl OnChannel for Client<Sealed> {
    type Channel = Sealed;

    fn channel(&self) -> &Sealed {
        &self.state.channel
    }
}

impl Start for Client<Sealed> {
    type Settings = ClientCertificate;

    /// Waits for the greeting where one is due, then asks for CAPABILITY, whatever was listed in the clear (C1).
    fn start(channel: &Sealed, certificate: ClientCertificate) -> Self {
        let mut state = State::new(channel, Session::Greeting(certificate));
        if !channel.greeting_is_due() {
            state.session = Session::NotAuthenticated;
            state.ask_capabilities(Event::Ready);
        }
        Self { state }
    }
}

impl State {
    /// A literal is announced at the end of the text so far.
    fn literal(&mut self, size: u64) -> Result<(), Violation> {
        match self.reading {
            Reading::Skipping => {
                self.framer.skip();
                return Ok(());
            }
            Reading::Body(_) => {
                self.framer.take_inline()?;
                return Ok(());
            }
            Reading::Response => {}
        }
        if !may_hold_literals(self.framer.text()) {
            self.framer.not_a_literal();
            let text = self.framer.take_text();
            return self.response(&text);
        }
        if self.under_way::<FetchBody>().is_some() {
            self.literals += 1;
            if self.literals > LITERALS_BEFORE_BODY {
                return Err(Violation::WrongMessage);
            }
            if let Some(data) = fetch::before_body(self.framer.text()) {
                let wanted = self.body_wanted()?;
                if data.uid.is_some() {
                    wanted.check(&data)?;
                }
                wanted.body_comes()?;
                self.framer.take_text();
                self.framer.stream();
                self.reading = Reading::Body(Box::new(data));
                self.events.push_back(Event::BodyBegins { size });
                return Ok(());
            }
        }
        if self.framer.take_inline().is_err() {
            self.framer.skip();
            self.reading = Reading::Skipping;
        }
        Ok(())
    }

    fn body_wanted(&mut self) -> Result<&mut FetchBody, Violation> {
        self.under_way().ok_or(Violation::WrongMessage)
    }

    /// The text of a response is complete.
    fn text(&mut self, text: &[u8]) -> Result<(), Violation> {
        self.literals = 0;
        match std::mem::replace(&mut self.reading, Reading::Response) {
            Reading::Response => self.response(text),
            Reading::Skipping => {
                self.events.push_back(Event::TooLong);
                Ok(())
            }
            Reading::Body(mut data) => {
                let mut cursor = Cursor::new(text);
                let _ = cursor.eat(b' ');
                fetch::rest_of_items(&mut data, &mut cursor)
                    .map_err(|_| Violation::WrongMessage)?;
                self.body_wanted()?.check(&data)?;
                self.events.push_back(Event::BodyEnds);
                Ok(())
            }
        }
    }

    fn response(&mut self, text: &[u8]) -> Result<(), Violation> {
        if let Session::Greeting(certificate) = self.session {
            return self.greeting(certificate, response::greeting(text)?);
        }
        match response::parse(text) {
            Ok(Response::Tagged(tag, status)) => self.tagged(tag, status),
            Ok(Response::Continuation(text)) => self.continuation(text),
            Ok(other) => self.untagged(other),
            Err(Unreadable::NotImap) => Err(Violation::NotImap),
            Err(Unreadable::Data(error)) => {
                self.events.push_back(Event::Unreadable(error));
                Ok(())
            }
        }
    }

    fn greeting(&mut self, sent: ClientCertificate, status: Status) -> Result<(), Violation> {
        let then = match (status.condition, sent) {
            (Condition::Bye, _) => {
                return Err(Violation::Bye {
                    text: Some(status.text),
                });
            }
            (Condition::PreAuth, ClientCertificate::NotSent) => {
                return Err(Violation::PreauthUnproved);
            }
            (Condition::PreAuth, ClientCertificate::Sent) => {
                self.session = Session::Authenticated;
                Event::ReadyAuthenticated
            }
            _ => {
                self.session = Session::NotAuthenticated;
                Event::Ready
            }
        };
        self.alert(&status);
        self.ask_capabilities(then);
        Ok(())
    }

    fn alert(&mut self, status: &Status) {
        if status.code == Some(ResponseCode::Alert)
            && let Some(left) = self.alerts.checked_sub(1)
        {
            self.alerts = left;
            self.events.push_back(Event::Alert(status.text.clone()));
        }
    }

    fn continuation(&mut self, text: &[u8]) -> Result<(), Violation> {
        let Some(current) = &mut self.current else {
            return Err(Violation::UnexpectedContinuation);
        };
        match current.segments.pop_front() {
            Some(segment) => self.out.extend_from_slice(&segment),
            None => {
                let event = current.command.continued(text, &mut self.out)?;
                self.events.extend(event);
            }
        }
        Ok(())
    }

    fn untagged(&mut self, mut response: Response<'_>) -> Result<(), Violation> {
        if let Response::Untagged(status) = &response {
            self.alert(status);
        }
        if let Some(current) = &mut self.current {
            match current.command.take(response) {
                Ok(event) => {
                    self.events.extend(event);
                    return Ok(());
                }
                Err(other) => response = other,
            }
        }
        let is_selected = self.session == Session::Selected;
        match response {
            Response::Capability(list) => self.capabilities = list,
            Response::Untagged(status) if status.condition == Condition::Bye => {
                self.events.push_back(Event::Bye(status.text));
                self.closing = true;
            }
            Response::Untagged(status) => {
                if let Some(ResponseCode::Capability(list)) = status.code {
                    self.capabilities = list;
                }
            }
            Response::Exists(count) if is_selected => self.events.push_back(Event::Exists(count)),
            Response::Expunge(number) if is_selected => {
                self.events.push_back(Event::Expunged(number));
            }
            Response::Fetch(data) if is_selected => self.fetched(data)?,
            // What was not asked for tells nothing (C9).
            _ => {}
        }
        Ok(())
    }

    /// A whole FETCH response. A body in it came inline.
    fn fetched(&mut self, mut data: Box<MessageData>) -> Result<(), Violation> {
        let Some(body) = data.body.take() else {
            self.events.push_back(Event::Message(data));
            return Ok(());
        };
        let Some(wanted) = self.under_way::<FetchBody>() else {
            return Ok(());
        };
        wanted.check(&data)?;
        wanted.body_comes()?;
        self.events.push_back(Event::BodyBegins {
            size: body.len() as u64,
        });
        self.events.extend(
            body.chunks(MAX_OUTPUT)
                .map(|piece| Event::BodyPiece(piece.to_vec())),
        );
        self.events.push_back(Event::BodyEnds);
        Ok(())
    }

    fn tagged(&mut self, tag: &[u8], status: Status) -> Result<(), Violation> {
        let current = self.current.take_if(|it| it.tag.as_bytes() == tag);
        let command = current.ok_or(Violation::UnknownTag)?.command;
        let event = if status.condition == Condition::Ok {
            self.alert(&status);
            command.succeeded(status.code, self)?
        } else {
            command.refused(self)?;
            Some(Event::Refused(Refused {
                condition: status.condition,
                code: status.code,
                text: status.text,
            }))
        };
        self.events.extend(event);
        Ok(())
    }

    fn read(&mut self) -> Result<bool, Violation> {
        match self.framer.next_frame()? {
            None => return Ok(false),
            Some(Frame::Literal(header)) => self.literal(header.size)?,
            Some(Frame::Piece(piece)) => self.events.push_back(Event::BodyPiece(piece)),
            Some(Frame::LiteralEnd) => {}
            Some(Frame::End) => {
                let text = self.framer.take_text();
                self.text(&text)?;
            }
        }
        Ok(true)
    }
}

impl Machine for Client<Sealed> {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        if self.state.broken.is_none() {
            self.state.framer.push(bytes);
        }
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        let state = &mut self.state;
        loop {
            if let Some(event) = state.events.pop_front() {
                return Step::Event(event);
            }
            if !state.out.is_empty() {
                return Step::Output(state.out.split_to(MAX_OUTPUT));
            }
            if let Some(violation) = &state.broken {
                return Step::Err(violation.clone());
            }
            if state.closing {
                return Step::Close;
            }
            if let Some(step) = state.under_way().and_then(Append::step) {
                return step;
            }
            match state.read() {
                Ok(true) => {}
                Ok(false) => return Step::NeedInput,
                Err(violation) => {
                    state.framer = Framer::new(LIMITS);
                    state.broken = Some(violation);
                }
            }
        }
    }
}
