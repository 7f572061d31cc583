//! The SMTP family: what its services share. Commands and parameters (RFC 5321, with the extensions we know), paths,
//! content in DATA and BDAT, the replies we give and those we are given.
//!
//! [`submission`] is a person's way in (RFC 6409). A relay or LMTP would stand beside it on the same grammar.

mod capabilities;
mod command;
mod content;
mod line_ends;
mod parameter;
mod path;
mod replies;
mod server_reply;
pub mod submission;

pub use capabilities::Capabilities;
pub use command::{Mail, Rcpt};
pub use line_ends::{ContentError, LineEnds};
pub use parameter::{
    Body, DeliveryReports, MailParameters, Notify, OriginalRecipient, ParameterError,
    RcptParameters, Return, Submitter,
};
pub use path::{EhloName, ForwardPath, InvalidEhloName, MAX_PATH, PathError, ReversePath};
pub use replies::Refusal;
pub use server_reply::{EnhancedCode, ReplyError, ServerReply};
