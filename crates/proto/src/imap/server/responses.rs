//! [`Responses`]: what is said to the client, on its way out.

use zeroize::{Zeroize, Zeroizing};

use super::enabled::Enabled;
use super::output::Output;
use super::reply::{Completion, Refusal};

/// What is said to the client. Each command's file adds the responses that are its own.
#[derive(Debug, Default)]
pub struct Responses {
    out: Output,
    /// The tag of the command under way. Zeroed with its end: where a client has lost its place, part of an
    /// authentication can stand where a tag should.
    tag: Zeroizing<String>,
    /// The name of the command under way.
    name: &'static str,
    pub(super) enabled: Enabled,
    /// Whether the response being written has an item already.
    has_item: bool,
}

impl Responses {
    /// A command begins; without a tag, where none could be read.
    pub(super) fn begin(&mut self, tag: Option<&str>) {
        self.tag = Zeroizing::new(tag.unwrap_or("*").to_owned());
        self.name = "";
    }

    /// The name of the command under way is known.
    pub(super) fn set_name(&mut self, name: &'static str) {
        self.name = name;
    }

    /// The tag of the command under way.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// Octets that wait to be written.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.out
    }

    /// Writes one untagged response, without its `* `.
    pub(super) fn untagged(&mut self, text: &str) {
        self.out.text("* ");
        self.out.line(text);
    }

    /// Writes the tagged response that ends the command under way, without its tag.
    pub(super) fn tagged(&mut self, text: &str) {
        self.out.text(&self.tag);
        self.out.text(" ");
        self.out.line(text);
        self.tag.zeroize();
    }

    /// Writes the tagged end of the command under way.
    pub(super) fn complete(&mut self, completion: &Completion) {
        let line = match completion {
            Completion::Ok(None) => format!("OK {} completed", self.name),
            Completion::Ok(Some(code)) => format!("OK [{code}] {} completed", self.name),
            Completion::No(None, text) => format!("NO {text}"),
            Completion::No(Some(code), text) => format!("NO [{code}] {text}"),
            Completion::Bad(text) => format!("BAD {text}"),
        };
        self.tagged(&line);
    }

    /// Writes why the command under way is refused.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::Syntax(error) => self.tagged(&format!("BAD {error}")),
            Refusal::Answer(completion) => self.complete(completion),
        }
    }

    /// A response with items in parentheses begins.
    pub(super) fn first_item(&mut self) {
        self.has_item = false;
    }

    /// Writes the beginning of the next item of a response.
    pub(super) fn item(&mut self, text: &str) -> &mut Output {
        if std::mem::replace(&mut self.has_item, true) {
            self.out.text(" ");
        }
        self.out.text(text);
        &mut self.out
    }
}
