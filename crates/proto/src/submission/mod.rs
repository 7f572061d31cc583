//! Message submission (RFC 6409 over RFC 5321): both ends.
//!
//! [`server::Server`] is the MSA's machine, [`client::Client`] a person's. Neither knows a store, a clock, a
//! socket or a random source. The server offers PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING,
//! ENHANCEDSTATUSCODES, LIMITS, STARTTLS in the clear, and AUTH where policy permits it. BINARYMIME is not
//! offered: IMAP and POP3 could not give such content back as it came.

mod address;
pub mod client;
mod command;
mod content;
mod parameter;
mod reply;
pub mod server;

pub use address::{EhloName, ForwardPath, InvalidEhloName, MAX_PATH, PathError, ReversePath};
pub use command::{Mail, Rcpt};
pub use parameter::{
    Body, DeliveryReports, MailParameters, Notify, OriginalRecipient, ParameterError,
    RcptParameters, Return, Submitter,
};
pub use reply::Refusal;
