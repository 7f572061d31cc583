//! Commands of submission: first the verb, then, once the state lets it, its arguments.
//!
//! The two steps are apart so that arguments of AUTH are not even looked at where no credentials may be taken
//! (S4.1-4).

use pillarbox_names::Address;

use super::parameter::{self, DeliveryReports, MailParameters, ParameterError, RcptParameters};
use super::path::{EhloName, ForwardPath, ReversePath, forward_path, reverse_path};

/// What a command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    /// Known to RFC 5321 or its elders, and not served here.
    NotImplemented,
    Unknown,
}

impl Verb {
    /// Cuts a line into its verb and the rest, which begins with a space or is empty.
    pub(super) fn split(line: &[u8]) -> (Self, &[u8]) {
        let end = line
            .iter()
            .position(|&octet| octet == b' ')
            .unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end).unwrap_or((line, b""));
        (Self::of(word), rest)
    }

    fn of(word: &[u8]) -> Self {
        match word.to_ascii_uppercase().as_slice() {
            b"EHLO" => Self::Ehlo,
            b"HELO" => Self::Helo,
            b"STARTTLS" => Self::StartTls,
            b"AUTH" => Self::Auth,
            b"MAIL" => Self::Mail,
            b"RCPT" => Self::Rcpt,
            b"DATA" => Self::Data,
            b"BDAT" => Self::Bdat,
            b"RSET" => Self::Rset,
            b"NOOP" => Self::Noop,
            b"VRFY" => Self::Vrfy,
            b"HELP" => Self::Help,
            b"QUIT" => Self::Quit,
            b"EXPN" | b"TURN" | b"ETRN" | b"ATRN" | b"SEND" | b"SOML" | b"SAML" | b"BURL" => {
                Self::NotImplemented
            }
            _ => Self::Unknown,
        }
    }
}

/// What is wrong with the arguments of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArgumentError {
    /// Missing, too many, or not of the command's grammar.
    Syntax,
    /// No path of RFC 5321 §4.1.2.
    Path,
    /// A path with characters outside ASCII, and no SMTPUTF8.
    NeedsUtf8,
    /// A parameter.
    Parameter(ParameterError),
}

/// MAIL FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Where bounces go.
    pub reverse_path: ReversePath,
    /// Its parameters.
    pub parameters: MailParameters,
}

/// RCPT TO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rcpt {
    /// Where the message goes.
    pub forward_path: ForwardPath,
    /// Its parameters.
    pub parameters: RcptParameters,
}

/// BDAT (RFC 3030 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bdat {
    /// Octets that follow.
    pub(super) size: u64,
    pub(super) place: Place,
}

/// Where a chunk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// More chunks follow.
    Inner,
    /// It ends the message.
    Last,
}

/// The one argument of EHLO and HELO.
pub(super) fn ehlo(rest: &[u8]) -> Result<EhloName, ArgumentError> {
    text(rest)?
        .strip_prefix(' ')
        .and_then(|name| name.parse().ok())
        .ok_or(ArgumentError::Syntax)
}

/// ` FROM:<path>[ parameters]`.
pub(super) fn mail(rest: &[u8], reports: DeliveryReports) -> Result<Mail, ArgumentError> {
    let text = after(text(rest)?, " FROM:")?;
    let (reverse_path, rest) = reverse_path(text).map_err(|_| ArgumentError::Path)?;
    let parameters = parameter::mail(rest, reports).map_err(ArgumentError::Parameter)?;
    if !parameters.smtputf8
        && (!reverse_path.address().is_none_or(Address::is_ascii) || !rest.is_ascii())
    {
        return Err(ArgumentError::NeedsUtf8);
    }
    Ok(Mail {
        reverse_path,
        parameters,
    })
}

/// ` TO:<path>[ parameters]`. `smtputf8` says what this transaction's MAIL did.
pub(super) fn rcpt(
    rest: &[u8],
    reports: DeliveryReports,
    smtputf8: bool,
) -> Result<Rcpt, ArgumentError> {
    let text = after(text(rest)?, " TO:")?;
    let (forward_path, rest) = forward_path(text).map_err(|_| ArgumentError::Path)?;
    let parameters = parameter::rcpt(rest, reports).map_err(ArgumentError::Parameter)?;
    if !smtputf8 && !text.is_ascii() {
        return Err(ArgumentError::NeedsUtf8);
    }
    Ok(Rcpt {
        forward_path,
        parameters,
    })
}

/// ` size[ LAST]`.
pub(super) fn bdat(rest: &[u8]) -> Result<Bdat, ArgumentError> {
    let text = text(rest)?.strip_prefix(' ').ok_or(ArgumentError::Syntax)?;
    let (size, place) = match text.split_once(' ') {
        None => (text, Place::Inner),
        Some((size, last)) if last.eq_ignore_ascii_case("LAST") => (size, Place::Last),
        Some(_) => return Err(ArgumentError::Syntax),
    };
    if size.is_empty() || size.len() > 20 || !size.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(ArgumentError::Syntax);
    }
    Ok(Bdat {
        size: size.parse().unwrap_or(u64::MAX),
        place,
    })
}

/// The text of arguments, without the spaces at the end that RFC 5321 §4.1.1 asks to tolerate.
fn text(rest: &[u8]) -> Result<&str, ArgumentError> {
    std::str::from_utf8(rest)
        .map(|text| text.trim_end_matches([' ', '\t']))
        .map_err(|_| ArgumentError::Syntax)
}

fn after<'a>(text: &'a str, prefix: &str) -> Result<&'a str, ArgumentError> {
    text.split_at_checked(prefix.len())
        .filter(|(head, _)| head.eq_ignore_ascii_case(prefix))
        .map(|(_, rest)| rest)
        .ok_or(ArgumentError::Syntax)
}

/// Whether a command that takes no arguments has none.
pub(super) fn none(rest: &[u8]) -> Result<(), ArgumentError> {
    rest.iter()
        .all(|octet| matches!(octet, b' ' | b'\t'))
        .then_some(())
        .ok_or(ArgumentError::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_in_any_case() {
        assert_eq!(
            Verb::split(b"mAiL FROM:<>"),
            (Verb::Mail, b" FROM:<>".as_slice())
        );
        assert_eq!(Verb::split(b"QUIT"), (Verb::Quit, b"".as_slice()));
        assert_eq!(Verb::split(b"").0, Verb::Unknown);
        assert_eq!(Verb::split(b" QUIT").0, Verb::Unknown);
        assert_eq!(Verb::split(b"EXPN list").0, Verb::NotImplemented);
    }

    #[test]
    fn arguments_of_mail_and_rcpt() {
        let reports = DeliveryReports::NotOffered;
        assert!(mail(b" from:<a@example.org> SIZE=10  ", reports).is_ok());
        for (text, error) in [
            (b"".as_slice(), ArgumentError::Syntax),
            (b" TO:<a@example.org>", ArgumentError::Syntax),
            (b" FROM: <a@example.org>", ArgumentError::Path),
            (b" FROM:a@example.org", ArgumentError::Path),
            (b" FROM:<a@example.org", ArgumentError::Path),
            (b" FROM:<\xff@example.org>", ArgumentError::Syntax),
            (" FROM:<é@example.org>".as_bytes(), ArgumentError::NeedsUtf8),
            (
                b" FROM:<a@example.org> X=1",
                ArgumentError::Parameter(ParameterError::Unknown),
            ),
            (
                b" FROM:<a@example.org>SIZE=1",
                ArgumentError::Parameter(ParameterError::Malformed),
            ),
        ] {
            assert_eq!(mail(text, reports), Err(error), "{}", text.escape_ascii());
        }
        assert!(mail(" FROM:<é@example.org> SMTPUTF8".as_bytes(), reports).is_ok());
        assert!(rcpt(" TO:<é@example.org>".as_bytes(), reports, true).is_ok());
        assert_eq!(
            rcpt(" TO:<é@example.org>".as_bytes(), reports, false),
            Err(ArgumentError::NeedsUtf8)
        );
        assert_eq!(rcpt(b" TO:<>", reports, false), Err(ArgumentError::Path));
    }

    #[test]
    fn arguments_of_bdat() {
        assert_eq!(
            bdat(b" 10"),
            Ok(Bdat {
                size: 10,
                place: Place::Inner
            })
        );
        assert_eq!(
            bdat(b" 0 last"),
            Ok(Bdat {
                size: 0,
                place: Place::Last
            })
        );
        for text in [
            b"".as_slice(),
            b" ",
            b" -1",
            b" 1 FIRST",
            b" 1  LAST",
            b" 0x1",
            b" 100000000000000000000",
        ] {
            assert_eq!(bdat(text), Err(ArgumentError::Syntax));
        }
        assert_eq!(bdat(b" 99999999999999999999").unwrap().size, u64::MAX);
    }
}
