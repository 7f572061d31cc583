//! The look-up of all labels of a domain, and the guesses where there are none.

use pillarbox_names::{Domain, Family, Label, Service};

use crate::rank::{Entry, entries};
use crate::{Candidate, DiscoverError, Resolver, SrvAnswer};

/// What a domain says about one family of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It advertises these servers.
    Advertised(Vec<Entry>),
    /// It says that it has no such service: records, but each with a target of `.` (R6186-1).
    NotOffered,
    /// It says nothing. Guesses may be shown to the person (S5-1).
    Nothing,
}

impl Found {
    fn of(family: Family, answers: &[(Label, SrvAnswer)]) -> Self {
        let answers: Vec<_> = answers
            .iter()
            .filter(|(label, _)| label.service.family() == family)
            .cloned()
            .collect();
        let entries = entries(&answers);
        if !entries.is_empty() {
            Self::Advertised(entries)
        } else if answers.iter().any(|(_, answer)| !answer.records.is_empty()) {
            Self::NotOffered
        } else {
            Self::Nothing
        }
    }
}

/// Looks up the six labels and returns what the domain says about access and about submission.
///
/// # Errors
/// One bogus or missing answer fails the whole search: an attacker must not be able to pick which labels
/// are seen (S5.1-10 (d), R7673-1).
pub async fn search(resolver: &Resolver, domain: &Domain) -> Result<(Found, Found), DiscoverError> {
    let [a, b, c, d, e, f] = Label::ALL.map(|label| async move {
        let answer = resolver.srv(label, domain).await?;
        tracing::debug!(%label, %domain, status = ?answer.status, records = answer.records.len(), "SRV");
        Ok::<_, DiscoverError>((label, answer))
    });
    let (a, b, c, d, e, f) = tokio::try_join!(a, b, c, d, e, f)?;
    let answers = [a, b, c, d, e, f];
    Ok((
        Found::of(Family::Access, &answers),
        Found::of(Family::Submission, &answers),
    ))
}

/// Customary names for a domain that publishes nothing: implicit TLS on the registered ports, each to be
/// confirmed by the person. There is no cleartext guess, and no STARTTLS guess either.
#[must_use]
pub fn conventional(domain: &Domain, family: Family) -> Vec<Candidate> {
    let guesses: &[(Service, &str)] = match family {
        Family::Access => &[
            (Service::Imap, "imap"),
            (Service::Imap, "mail"),
            (Service::Pop3, "pop"),
            (Service::Pop3, "mail"),
        ],
        Family::Submission => &[(Service::Submission, "smtp"), (Service::Submission, "mail")],
    };
    guesses
        .iter()
        .filter_map(|(service, label)| {
            Some(Candidate::guessed(domain, *service, domain.host(label)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pillarbox_names::{Host, TlsStart};

    use crate::{SrvRecord, Status, Trust};

    fn answer(targets: &[Option<&str>]) -> SrvAnswer {
        let record = |target: &Option<&str>| SrvRecord {
            priority: 0,
            weight: 0,
            port: 1,
            target: target.map(|name| Host::parse(name).unwrap()),
        };
        SrvAnswer {
            status: Status::Insecure,
            records: targets.iter().map(record).collect(),
        }
    }

    #[test]
    fn dots_alone_mean_not_offered_and_silence_means_nothing() {
        let [imaps, pop3s, submissions, imap, pop3, submission] = Label::ALL;
        let silent = Label::ALL.map(|label| (label, answer(&[])));
        assert_eq!(Found::of(Family::Access, &silent), Found::Nothing);
        let dots = [imaps, imap, pop3s, pop3].map(|label| (label, answer(&[None])));
        assert_eq!(Found::of(Family::Access, &dots), Found::NotOffered);
        assert_eq!(Found::of(Family::Submission, &dots), Found::Nothing);
        let mixed = [
            (submission, answer(&[None])),
            (submissions, answer(&[Some("m.example.org")])),
        ];
        let Found::Advertised(entries) = Found::of(Family::Submission, &mixed) else {
            panic!()
        };
        assert_eq!(
            entries.iter().map(|e| e.label).collect::<Vec<_>>(),
            [submissions]
        );
    }

    #[test]
    fn guesses_are_implicit_tls_and_to_be_confirmed() {
        let domain = Domain::parse("example.org").unwrap();
        for family in [Family::Access, Family::Submission] {
            for guess in conventional(&domain, family) {
                assert_eq!(guess.label().start, TlsStart::Implicit);
                assert!(matches!(guess.trust(), Trust::NeedsConfirmation { .. }));
                assert!(guess.approve(&[]).is_err());
            }
        }
        let shown: Vec<_> = conventional(&domain, Family::Access)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown[0], "IMAP at imap.example.org:993");
        assert_eq!(shown[2], "POP3 at pop.example.org:995");
    }
}
