//! One attempt to log in, as it goes on record and into the log, with all TLS facts (S4-17).

use pillarbox_policy::{LoginOutcome, Timestamp, TlsFacts};
use pillarbox_proto::sasl::LoginMethod;
use pillarbox_store::{AccountId, LoginRecord};

use super::origin::Origin;

/// The longest login name or client name kept, in octets.
const KEPT: usize = 255;

/// The record of an attempt. It never holds a password.
pub(super) fn of(
    origin: &Origin<'_>,
    method: LoginMethod,
    login: &str,
    account: Option<AccountId>,
    outcome: LoginOutcome,
    at: Timestamp,
) -> LoginRecord {
    let tls = origin.channel.facts().map(TlsFacts::record);
    let tls = tls.as_ref();
    LoginRecord {
        at,
        account,
        login: cut(login).to_owned(),
        listener: origin.listener.to_owned(),
        remote: origin.remote.to_string(),
        how: tls.map(|tls| tls.tls_start.as_str().to_owned()),
        tls_version: tls.map(|tls| tls.version.to_string()),
        cipher_suite: tls.map(|tls| tls.suite.to_string()),
        group: tls.and_then(|tls| tls.group.map(|group| group.to_string())),
        sni: tls.and_then(|tls| tls.sni.clone()),
        alpn: tls.and_then(|tls| tls.alpn.clone()),
        resumed: tls.is_some_and(|tls| tls.resumed),
        client_certificate: tls.and_then(|tls| tls.client_certificate.clone()),
        mechanism: method.as_str().to_owned(),
        client: origin.client.map(|client| cut(client).to_owned()),
        outcome,
    }
}

/// The longest beginning of a text that is kept.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(KEPT)).unwrap_or(text)
}

/// Writes the record as one structured log line. `tls` is the version, or `none` in the clear.
pub(super) fn log(record: &LoginRecord) {
    let tls = record.tls_version.as_deref().unwrap_or("none");
    // A macro, because the level of a log line is fixed where the line stands.
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                login = record.login,
                listener = record.listener,
                remote = record.remote,
                mechanism = record.mechanism,
                tls,
                how = record.how,
                suite = record.cipher_suite,
                group = record.group,
                sni = record.sni,
                alpn = record.alpn,
                resumed = record.resumed,
                client_certificate = record.client_certificate,
                client = record.client,
                outcome = record.outcome.as_str(),
                $message
            )
        };
    }
    match record.outcome {
        LoginOutcome::Succeeded => line!(info, "login"),
        LoginOutcome::Refused(_) => line!(warn, "login refused"),
        LoginOutcome::Aborted(_) => line!(warn, "login not completed"),
        LoginOutcome::TamperingSuspected(_) => line!(
            warn,
            "login refused: somebody may stand between the client and this server"
        ),
    }
}
