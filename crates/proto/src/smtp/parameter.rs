//! Parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954 §5),
//! RET, ENVID, NOTIFY and ORCPT (RFC 3461).

use pillarbox_names::Address;

/// The most octets of an ENVID or of an ORCPT address once decoded (RFC 3461 §4.4, §4.2).
const MAX_ENVID: usize = 100;
const MAX_ORCPT: usize = 500;

/// What is wrong with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No extension we offer has it (555, RFC 5321 §4.1.1.11).
    #[error("parameter not known")]
    Unknown,
    /// Known, but the value is not one of its values, or it stands there twice (501).
    #[error("parameter not understood")]
    Malformed,
}

/// What a message's content may be made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Body {
    /// US-ASCII lines; nothing was said.
    #[default]
    SevenBit,
    /// Lines of any octets (RFC 6152).
    EightBitMime,
}

/// How much of a message a failure report is to bring back (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// Who first submitted a message (RFC 4954 §5). A claim; nothing may be decided by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitter {
    /// `AUTH=<>`: not known.
    Unknown,
    /// This address.
    Address(Address),
}

/// Parameters of MAIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// The size announced, in octets, as the sender counts (RFC 1870). Saturates at [`u64::MAX`].
    pub size: Option<u64>,
    /// What the content is made of.
    pub body: Body,
    /// Whether the message needs SMTPUTF8.
    pub smtputf8: bool,
    /// Who first submitted it.
    pub submitter: Option<Submitter>,
    /// How much a failure report brings back.
    pub ret: Option<Return>,
    /// The sender's own name for this envelope, decoded.
    pub envid: Option<String>,
}

/// When a sender wants to hear about a recipient (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify(u8);

impl Notify {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// When it is delivered.
    pub const SUCCESS: Self = Self(1);
    /// When it cannot be delivered.
    pub const FAILURE: Self = Self(2);
    /// When it takes long.
    pub const DELAY: Self = Self(4);

    /// Whether every occasion of `other` is among these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn parse(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::NEVER);
        }
        let mut all = Self(0);
        for word in value.split(',') {
            let one = [
                ("SUCCESS", Self::SUCCESS),
                ("FAILURE", Self::FAILURE),
                ("DELAY", Self::DELAY),
            ]
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))?
            .1;
            if all.contains(one) {
                return None;
            }
            all.0 |= one.0;
        }
        Some(all)
    }
}

/// The recipient a sender first wrote (RFC 3461 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// The kind of address: `rfc822`, `utf-8`.
    pub kind: String,
    /// The address, decoded.
    pub address: String,
}

/// Parameters of RCPT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RcptParameters {
    /// When the sender wants to hear about this recipient.
    pub notify: Option<Notify>,
    /// The recipient first written.
    pub original: Option<OriginalRecipient>,
}

/// Whether the DSN extension (RFC 3461) is offered; where it is not, its parameters are unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeliveryReports {
    /// Not offered: nothing here writes reports.
    #[default]
    NotOffered,
    /// Offered.
    Offered,
}

pub(super) fn mail(text: &str, reports: DeliveryReports) -> Result<MailParameters, ParameterError> {
    let mut parameters = MailParameters::default();
    each(text, |keyword, value| {
        match (keyword, value) {
            ("SIZE", Some(value)) => parameters.size = Some(size(value)?),
            ("BODY", Some(value)) => {
                parameters.body = match value.to_ascii_uppercase().as_str() {
                    "7BIT" => Body::SevenBit,
                    "8BITMIME" => Body::EightBitMime,
                    _ => return Err(ParameterError::Malformed),
                };
            }
            ("SMTPUTF8", None) => parameters.smtputf8 = true,
            ("AUTH", Some(value)) => {
                let decoded = xtext(value).ok_or(ParameterError::Malformed)?;
                parameters.submitter = Some(if decoded == "<>" {
                    Submitter::Unknown
                } else {
                    Submitter::Address(decoded.parse().map_err(|_| ParameterError::Malformed)?)
                });
            }
            ("RET", Some(value)) if reports == DeliveryReports::Offered => {
                parameters.ret = Some(match value.to_ascii_uppercase().as_str() {
                    "FULL" => Return::Full,
                    "HDRS" => Return::Headers,
                    _ => return Err(ParameterError::Malformed),
                });
            }
            ("ENVID", Some(value)) if reports == DeliveryReports::Offered => {
                parameters.envid = Some(
                    xtext(value)
                        .filter(|envid| {
                            !envid.is_empty()
                                && envid.len() <= MAX_ENVID
                                && envid.bytes().all(|octet| matches!(octet, b' '..=b'~'))
                        })
                        .ok_or(ParameterError::Malformed)?,
                );
            }
            ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH", _) => return Err(ParameterError::Malformed),
            ("RET" | "ENVID", _) if reports == DeliveryReports::Offered => {
                return Err(ParameterError::Malformed);
            }
            _ => return Err(ParameterError::Unknown),
        }
        Ok(())
    })?;
    Ok(parameters)
}

pub(super) fn rcpt(text: &str, reports: DeliveryReports) -> Result<RcptParameters, ParameterError> {
    let mut parameters = RcptParameters::default();
    each(text, |keyword, value| {
        match (keyword, value) {
            (_, _) if reports == DeliveryReports::NotOffered => {
                return Err(ParameterError::Unknown);
            }
            ("NOTIFY", Some(value)) => {
                parameters.notify = Some(Notify::parse(value).ok_or(ParameterError::Malformed)?);
            }
            ("ORCPT", Some(value)) => {
                parameters.original =
                    Some(original_recipient(value).ok_or(ParameterError::Malformed)?);
            }
            ("NOTIFY" | "ORCPT", None) => return Err(ParameterError::Malformed),
            _ => return Err(ParameterError::Unknown),
        }
        Ok(())
    })?;
    Ok(parameters)
}

/// Calls `each` with every ` KEYWORD[=value]`, the keyword in capitals; none may come twice.
fn each(
    text: &str,
    mut each: impl FnMut(&str, Option<&str>) -> Result<(), ParameterError>,
) -> Result<(), ParameterError> {
    if text.is_empty() {
        return Ok(());
    }
    let text = text.strip_prefix(' ').ok_or(ParameterError::Malformed)?;
    let mut seen: Vec<String> = Vec::new();
    for parameter in text.split(' ') {
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (parameter, None),
        };
        if !is_keyword(keyword) || value.is_some_and(|value| !is_value(value)) {
            return Err(ParameterError::Malformed);
        }
        let keyword = keyword.to_ascii_uppercase();
        if seen.contains(&keyword) {
            return Err(ParameterError::Malformed);
        }
        each(&keyword, value)?;
        seen.push(keyword);
    }
    Ok(())
}

fn is_keyword(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// esmtp-value of RFC 5321 §4.1.2, with the characters RFC 6531 §3.3 adds.
fn is_value(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|next| next != '=' && (next.is_ascii_graphic() || !next.is_ascii()))
}

fn size(value: &str) -> Result<u64, ParameterError> {
    if value.len() > 20 || !value.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(ParameterError::Malformed);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

fn original_recipient(value: &str) -> Option<OriginalRecipient> {
    let (kind, address) = value.split_once(';')?;
    let address = xtext(address)?;
    (is_keyword(kind) && !address.is_empty() && value.len() <= MAX_ORCPT).then(|| {
        OriginalRecipient {
            kind: kind.to_ascii_lowercase(),
            address,
        }
    })
}

/// Decodes xtext (RFC 3461 §4): `+` and two capital hex digits stand for an octet.
fn xtext(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'+' => decoded.push(hex_digit(octets.next()?)? << 4 | hex_digit(octets.next()?)?),
            b'=' | b'\0'..=b' ' | 0x7f => return None,
            octet => decoded.push(octet),
        }
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(text: &str) -> Result<MailParameters, ParameterError> {
        mail(text, DeliveryReports::Offered)
    }

    #[test]
    fn every_parameter_of_mail() {
        let parameters = offered(
            " size=1234 BODY=8bitmime SMTPUTF8 AUTH=e+3Dmc2@example.com RET=HDRS ENVID=QQ+2B1",
        )
        .unwrap();
        assert_eq!(
            parameters,
            MailParameters {
                size: Some(1234),
                body: Body::EightBitMime,
                smtputf8: true,
                submitter: Some(Submitter::Address("e=mc2@example.com".parse().unwrap())),
                ret: Some(Return::Headers),
                envid: Some("QQ+1".to_owned()),
            }
        );
        assert_eq!(
            offered(" AUTH=<>").unwrap().submitter,
            Some(Submitter::Unknown)
        );
        assert_eq!(
            offered(" SIZE=99999999999999999999").unwrap().size,
            Some(u64::MAX)
        );
    }

    #[test]
    fn wrong_parameters_of_mail() {
        for text in [
            " SIZE",
            " SIZE=",
            " SIZE=-1",
            " SIZE=1x",
            " SIZE=100000000000000000000",
            " BODY",
            " BODY=9BIT",
            " BODY=BINARYMIME",
            " SMTPUTF8=1",
            " AUTH",
            " AUTH=nobody",
            " AUTH=+3",
            " AUTH=a+3d@b.example",
            " RET=SOME",
            " RET",
            " ENVID=+0A",
            " SIZE=1 SIZE=2",
            " SIZE=1  BODY=7BIT",
            " ",
            "SIZE=1",
            " =1",
            " X=a=b",
            " -X=1",
        ] {
            assert_eq!(offered(text), Err(ParameterError::Malformed), "{text}");
        }
        assert_eq!(offered(" HOLDFOR=1"), Err(ParameterError::Unknown));
        assert_eq!(
            mail(" RET=FULL", DeliveryReports::NotOffered),
            Err(ParameterError::Unknown)
        );
    }

    #[test]
    fn parameters_of_rcpt() {
        let parameters = rcpt(
            " NOTIFY=SUCCESS,delay ORCPT=rfc822;Bob+2Bx@example.com",
            DeliveryReports::Offered,
        )
        .unwrap();
        let notify = parameters.notify.unwrap();
        assert!(notify.contains(Notify::SUCCESS) && notify.contains(Notify::DELAY));
        assert!(!notify.contains(Notify::FAILURE));
        assert_eq!(
            parameters.original,
            Some(OriginalRecipient {
                kind: "rfc822".to_owned(),
                address: "Bob+x@example.com".to_owned()
            })
        );
        for text in [
            " NOTIFY=NEVER,SUCCESS",
            " NOTIFY=",
            " NOTIFY",
            " NOTIFY=SUCCESS,SUCCESS",
            " ORCPT=rfc822",
            " ORCPT=rfc822;",
            " ORCPT=;a",
        ] {
            assert_eq!(
                rcpt(text, DeliveryReports::Offered),
                Err(ParameterError::Malformed),
                "{text}"
            );
        }
        assert_eq!(
            rcpt(" SIZE=1", DeliveryReports::Offered),
            Err(ParameterError::Unknown)
        );
        assert_eq!(
            rcpt(" NOTIFY=NEVER", DeliveryReports::NotOffered),
            Err(ParameterError::Unknown)
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "( [A-Z]{3,8}(=[!-~é]{0,12})?){0,4}|\\PC{0,40}") {
            let _ = offered(&text);
            let _ = rcpt(&text, DeliveryReports::Offered);
        }
    }
}
