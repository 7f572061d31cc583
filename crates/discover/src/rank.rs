//! Which advertised server to try first: a pure function over SRV records.
//!
//! In this order (S5.1-3, S5.1-4, R6186-1, R6186-2, RFC 2782):
//!
//! 1. a target of `.` is not a server, and silences its label;
//! 2. entries known to be below the account's level are dropped before any priority is looked at;
//! 3. between IMAP and POP3 the protocol with the lowest priority number comes first, IMAP at a tie;
//! 4. within a protocol the lower priority number comes first; at a tie implicit TLS before STARTTLS;
//! 5. within one label and priority, weight draws the order. Weights never reach across labels.
//!
//! Randomness is an input.

use pillarbox_names::{Domain, Family, Host, Label, Service, TlsStart};

use crate::{Candidate, SrvAnswer, Status};

/// What is known about an advertised server by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has not been tried.
    Untried,
    /// It was reached and does not meet the account's level, or could not be reached. Either way it is out.
    Out,
}

/// One advertised server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The label it was advertised under.
    pub label: Label,
    /// SRV priority; lower comes first.
    pub priority: u16,
    /// SRV weight.
    pub weight: u16,
    /// SRV port.
    pub port: u16,
    /// SRV target, never `.`.
    pub target: Host,
    /// DNSSEC status of the answer.
    pub status: Status,
    /// What is known about it.
    pub verdict: Verdict,
}

/// The entries of the answers to the six labels. Targets of `.` are no entries (R6186-1).
#[must_use]
pub fn entries(answers: &[(Label, SrvAnswer)]) -> Vec<Entry> {
    answers
        .iter()
        .flat_map(|(label, answer)| {
            answer.records.iter().filter_map(|record| {
                Some(Entry {
                    label: *label,
                    priority: record.priority,
                    weight: record.weight,
                    port: record.port,
                    target: record.target.clone()?,
                    status: answer.status,
                    verdict: Verdict::Untried,
                })
            })
        })
        .collect()
}

/// The order in which the servers of one family are to be tried.
///
/// `draw(n)` returns a number in `0..n`, evenly; `n` is at least 1.
#[must_use]
pub fn rank(
    domain: &Domain,
    family: Family,
    entries: &[Entry],
    draw: &mut dyn FnMut(u64) -> u64,
) -> Vec<Candidate> {
    let mut left: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.label.service.family() == family && entry.verdict != Verdict::Out)
        .collect();
    let best = |service: Service| {
        left.iter()
            .filter(|entry| entry.label.service == service)
            .map(|entry| entry.priority)
            .min()
    };
    let [imap, pop3, submission] = Service::ALL.map(best);
    let place = |service: Service| match service {
        Service::Imap => (imap, 0),
        Service::Pop3 => (pop3, 1),
        Service::Submission => (submission, 2),
    };
    let group = |entry: &Entry| {
        (
            place(entry.label.service),
            entry.priority,
            entry.label.start,
        )
    };
    left.sort_by_key(|entry| group(entry));
    left.chunk_by(|a, b| group(a) == group(b))
        .flat_map(|group| by_weight(group, draw))
        .map(|entry| {
            let Entry {
                label,
                port,
                status,
                ..
            } = *entry;
            Candidate::from_srv(domain, label, entry.target.clone(), port, status)
        })
        .collect()
}

/// Orders servers of one label and priority at random, each place going to one of those left in proportion
/// to its weight (RFC 2782). A weight of zero stands for a very small chance, 1/256 of a weight of one.
fn by_weight<'a>(group: &[&'a Entry], draw: &mut dyn FnMut(u64) -> u64) -> Vec<&'a Entry> {
    let share = |entry: &Entry| (u64::from(entry.weight) * 256).max(1);
    let mut left = group.to_vec();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let total = left.iter().map(|entry| share(entry)).sum();
        let mut ticket = draw(total);
        let winner = left
            .iter()
            .position(|entry| match ticket.checked_sub(share(entry)) {
                Some(rest) => {
                    ticket = rest;
                    false
                }
                None => true,
            })
            .unwrap_or(0);
        order.push(left.remove(winner));
    }
    order
}

/// Whether set-up may go on to `next` after `failed` did not work out: never from implicit TLS to STARTTLS,
/// whoever made implicit TLS fail (C23).
#[must_use]
pub fn may_follow(failed: &Candidate, next: &Candidate) -> bool {
    !(failed.label().start == TlsStart::Implicit && next.label().start == TlsStart::StartTls)
}

#[cfg(test)]
mod tests;
