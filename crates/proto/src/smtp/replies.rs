//! Replies a submission server gives: code (RFC 5321 §4.2), enhanced code (RFC 3463) and text in one table.
//!
//! Texts are constant. Nothing that came from the peer is ever put into a reply (S6).

use std::fmt::Write as _;

/// One reply of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) enhanced: &'static str,
    pub(super) text: &'static str,
}

const fn reply(code: u16, enhanced: &'static str, text: &'static str) -> Reply {
    Reply {
        code,
        enhanced,
        text,
    }
}

impl Reply {
    /// Appends the line to `out`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = write!(line, "{} {} {}\r\n", self.code, self.enhanced, self.text);
        out.extend_from_slice(line.as_bytes());
    }
}

pub(super) const READY_FOR_TLS: Reply = reply(220, "2.0.0", "Ready to start TLS");
pub(super) const BYE: Reply = reply(221, "2.0.0", "Goodbye");
pub(super) const AUTHENTICATED: Reply = reply(235, "2.7.0", "Authentication successful");
pub(super) const OK: Reply = reply(250, "2.0.0", "OK");
pub(super) const SENDER_OK: Reply = reply(250, "2.1.0", "Sender OK");
pub(super) const RECIPIENT_OK: Reply = reply(250, "2.1.5", "Recipient OK");
pub(super) const CHUNK_OK: Reply = reply(250, "2.0.0", "Chunk received");
pub(super) const ACCEPTED: Reply = reply(250, "2.0.0", "Message accepted and stored");
pub(super) const CANNOT_VERIFY: Reply = reply(252, "2.5.0", "Send the message to find out");
pub(super) const HELP: Reply = reply(214, "2.0.0", "See RFC 6409 and RFC 5321");
pub(super) const SHUTTING_DOWN: Reply =
    reply(421, "4.3.2", "Service is shutting down; try again soon");
pub(super) const TOO_MANY_ERRORS: Reply = reply(421, "4.7.0", "Too many errors");
pub(super) const TOO_MANY_COMMANDS: Reply =
    reply(421, "4.7.0", "Too many commands without a login");
pub(super) const TOO_MANY_ATTEMPTS: Reply = reply(421, "4.7.0", "Too many failed logins");
pub(super) const IDLE: Reply = reply(421, "4.4.2", "Nothing heard for too long");
pub(super) const PASSWORD_CHANGE_NEEDED: Reply = reply(
    432,
    "4.7.12",
    "The password must be changed before it can be used again",
);
pub(super) const TOO_MANY_RECIPIENTS: Reply = reply(452, "4.5.3", "Too many recipients");
pub(super) const TLS_NOT_AVAILABLE: Reply =
    reply(454, "4.7.0", "TLS not available due to temporary reason");
pub(super) const AUTHENTICATION_UNAVAILABLE: Reply = reply(
    454,
    "4.7.0",
    "Temporary authentication failure; try again later",
);
pub(super) const BINDING_USED: Reply = reply(
    454,
    "4.7.0",
    "This mechanism was used already; connect again for it",
);
pub(super) const UNKNOWN_COMMAND: Reply = reply(500, "5.5.1", "Command not recognized");
pub(super) const LINE_TOO_LONG: Reply = reply(500, "5.5.2", "Line too long");
pub(super) const BROKEN_LINE: Reply = reply(
    500,
    "5.5.2",
    "Lines end with CRLF, and hold no other CR, LF or NUL",
);
pub(super) const AUTH_LINE_TOO_LONG: Reply =
    reply(500, "5.5.6", "Authentication exchange line is too long");
pub(super) const NOT_A_WEB_SERVER: Reply = reply(500, "5.5.1", "This is a mail server");
pub(super) const BAD_ARGUMENTS: Reply = reply(501, "5.5.4", "Syntax error in arguments");
pub(super) const BAD_SENDER: Reply = reply(501, "5.1.7", "Bad sender address syntax");
pub(super) const BAD_RECIPIENT: Reply = reply(501, "5.1.3", "Bad recipient address syntax");
pub(super) const BAD_BASE64: Reply = reply(501, "5.5.2", "Cannot decode base64");
pub(super) const CANCELLED: Reply = reply(501, "5.7.0", "Authentication cancelled");
pub(super) const BAD_RESPONSE: Reply = reply(
    501,
    "5.5.2",
    "Cannot understand the authentication response",
);
pub(super) const NOT_IMPLEMENTED: Reply = reply(502, "5.5.1", "Command not implemented");
pub(super) const EHLO_FIRST: Reply = reply(503, "5.5.1", "Send EHLO first");
pub(super) const ALREADY_TLS: Reply = reply(503, "5.5.1", "TLS is already active");
pub(super) const ALREADY_AUTHENTICATED: Reply = reply(503, "5.5.1", "Already authenticated");
pub(super) const IN_TRANSACTION: Reply = reply(503, "5.5.1", "Not during a mail transaction");
pub(super) const MAIL_FIRST: Reply = reply(503, "5.5.1", "Send MAIL first");
pub(super) const CHUNKS_BEGUN: Reply = reply(
    503,
    "5.5.1",
    "Chunks have begun; only BDAT, RSET, NOOP and QUIT now",
);
pub(super) const UNKNOWN_MECHANISM: Reply = reply(504, "5.5.4", "Mechanism not supported");
pub(super) const STARTTLS_FIRST: Reply = reply(530, "5.7.0", "Must issue a STARTTLS command first");
pub(super) const AUTHENTICATION_REQUIRED: Reply = reply(530, "5.7.0", "Authentication required");
pub(super) const CHANNEL_TOO_WEAK: Reply = reply(
    534,
    "5.7.9",
    "This account needs a better protected connection; use port 465",
);
pub(super) const BAD_CREDENTIALS: Reply = reply(535, "5.7.8", "Authentication credentials invalid");
pub(super) const ENCRYPTION_REQUIRED: Reply = reply(
    538,
    "5.7.11",
    "Encryption required for requested authentication mechanism",
);
pub(super) const TOO_LARGE: Reply = reply(552, "5.3.4", "Message is larger than this server takes");
pub(super) const NEEDS_SMTPUTF8: Reply =
    reply(553, "5.6.7", "Addresses beyond ASCII need SMTPUTF8");
pub(super) const NO_RECIPIENTS: Reply = reply(554, "5.5.1", "No valid recipients");
pub(super) const INJECTED: Reply = reply(
    554,
    "5.7.0",
    "Data stood behind STARTTLS; this connection is not safe",
);
pub(super) const BARE_LINE_ENDS: Reply = reply(
    554,
    "5.6.0",
    "Message has a CR or LF on its own, or a NUL; lines must end with CRLF",
);
pub(super) const UNKNOWN_PARAMETER: Reply =
    reply(555, "5.5.4", "Parameter not recognized or not implemented");

/// Why the session refuses a sender, a recipient or a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The login may not use this sender address (R6409-2).
    NotYourAddress,
    /// The sender's domain is not fully qualified (R6409-2).
    SenderNotQualified,
    /// The recipient's domain is not fully qualified (R6409-2).
    RecipientNotQualified,
    /// Our domain, but no such mailbox.
    NoSuchMailbox,
    /// A domain that is not ours, and nothing carries mail to other servers.
    NoRelay,
    /// The message's content cannot be taken as it is.
    BadContent,
    /// The store has no room; the sender keeps the message and tries again.
    StorageFull,
    /// Something failed here; the sender keeps the message and tries again.
    LocalError,
}

impl Refusal {
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::NotYourAddress => {
                reply(550, "5.7.1", "This login may not send from that address")
            }
            Self::SenderNotQualified => {
                reply(554, "5.1.8", "The sender's domain is not fully qualified")
            }
            Self::RecipientNotQualified => reply(
                554,
                "5.1.2",
                "The recipient's domain is not fully qualified",
            ),
            Self::NoSuchMailbox => reply(550, "5.1.1", "No such mailbox here"),
            Self::NoRelay => reply(
                550,
                "5.7.1",
                "This server does not send mail to other domains yet",
            ),
            Self::BadContent => reply(554, "5.6.0", "The message cannot be taken as it is"),
            Self::StorageFull => reply(
                452,
                "4.3.1",
                "No room to store the message; try again later",
            ),
            Self::LocalError => reply(451, "4.3.0", "Something failed here; try again later"),
        }
    }
}
