//! One attempt to log in, as it goes on record and into the log, with all TLS facts (S4-17).

use pillarbox_policy::{LoginOutcome, Timestamp};
use pillarbox_proto::sasl::{LoginMethod, Mechanism};
use pillarbox_store::{AccountId, LoginMechanism, LoginRecord};

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
    LoginRecord {
        at,
        account,
        login: cut(login).to_owned(),
        listener: origin.listener,
        remote: origin.remote,
        tls: origin.channel.facts().map(|facts| facts.record().into()),
        mechanism: mechanism(method),
        client: origin.client.map(|client| cut(client).to_owned()),
        outcome,
    }
}

fn mechanism(method: LoginMethod) -> LoginMechanism {
    match method {
        LoginMethod::LoginCommand | LoginMethod::Sasl(Mechanism::Login) => LoginMechanism::Login,
        LoginMethod::UserPass => LoginMechanism::UserPass,
        LoginMethod::Sasl(Mechanism::Plain) => LoginMechanism::Plain,
        LoginMethod::Sasl(Mechanism::ScramSha256) => LoginMechanism::ScramSha256,
        LoginMethod::Sasl(Mechanism::ScramSha256Plus) => LoginMechanism::ScramSha256Plus,
    }
}

/// The longest beginning of a text that is kept.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(KEPT)).unwrap_or(text)
}

/// Writes the record as one structured log line. `tls` is the version, or `none` in the clear.
pub(super) fn log(record: &LoginRecord) {
    let tls = record.tls.as_ref();
    // A macro, because the level of a log line is fixed where the line stands.
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                login = record.login,
                listener = record.listener.as_str(),
                remote = %record.remote,
                mechanism = record.mechanism.as_str(),
                tls = tls.map_or("none".to_owned(), |tls| tls.version.to_string()),
                how = tls.map(|tls| tls.start.as_str()),
                end = tls.map(|tls| tls.end.to_string()),
                suite = tls.map(|tls| tls.suite.as_str()),
                group = tls.and_then(|tls| tls.group.as_deref()),
                sni = tls.and_then(|tls| tls.sni.as_deref()),
                alpn = tls.and_then(|tls| tls.alpn.as_deref()),
                resumed = tls.is_some_and(|tls| tls.resumed),
                client_certificate = tls.and_then(|tls| tls.client_certificate.as_deref()),
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
