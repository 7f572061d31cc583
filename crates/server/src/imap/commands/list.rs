//! LIST and LSUB.

use pillarbox_proto::imap::server::{Attribute, Completion, List, ListSelect, Listed, Lsub};
use pillarbox_store::Mailbox;

use super::status;
use crate::imap::session::{Handled, Session};

impl Session {
    pub(in crate::imap) async fn list(&mut self, list: &List) -> Handled {
        let (store, account) = self.mail()?;
        let mailboxes = store.mailboxes(account).await?;
        for mailbox in &mailboxes {
            if let Some(listed) = listed(list, mailbox, &mailboxes) {
                self.responses().listed(&listed);
                if let Some(items) = &list.status {
                    // RFC 5819 §2.
                    self.responses()
                        .status(&mailbox.name, items, &status::values(mailbox));
                }
                self.flush_when_full().await?;
            }
        }
        Ok(Completion::DONE)
    }

    pub(in crate::imap) async fn lsub(&mut self, lsub: &Lsub) -> Handled {
        let (store, account) = self.mail()?;
        let mailboxes = store.mailboxes(account).await?;
        let matches = |name: &str| lsub.patterns.iter().any(|pattern| pattern.matches(name));
        for mailbox in &mailboxes {
            // RFC 3501 §6.3.9: a name that is not subscribed but has a subscribed one below it, which the
            // pattern does not reach, is shown as \Noselect.
            let shown = mailbox.subscribed && matches(&mailbox.name);
            let leads = !mailbox.subscribed
                && matches(&mailbox.name)
                && below(&mailbox.name, &mailboxes)
                    .any(|inner| inner.subscribed && !matches(&inner.name));
            if shown || leads {
                self.responses().listed_subscribed(&mailbox.name, shown);
                self.flush_when_full().await?;
            }
        }
        Ok(Completion::DONE)
    }
}

fn below<'a>(name: &'a str, mailboxes: &'a [Mailbox]) -> impl Iterator<Item = &'a Mailbox> {
    mailboxes.iter().filter(move |mailbox| {
        mailbox
            .name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

/// What LIST says of a mailbox, if it says anything (RFC 5258 §3).
fn listed(list: &List, mailbox: &Mailbox, mailboxes: &[Mailbox]) -> Option<Listed> {
    let matches = |name: &str| list.patterns.iter().any(|pattern| pattern.matches(name));
    if !matches(&mailbox.name) {
        return None;
    }
    let asks = |option| list.select.contains(&option);
    let selected = |mailbox: &Mailbox| {
        (!asks(ListSelect::Subscribed) || mailbox.subscribed)
            && (!asks(ListSelect::SpecialUse) || mailbox.special_use.is_some())
    };
    let child_subscribed = asks(ListSelect::RecursiveMatch)
        && asks(ListSelect::Subscribed)
        && below(&mailbox.name, mailboxes).any(|inner| selected(inner) && !matches(&inner.name));
    if !selected(mailbox) && !child_subscribed {
        return None;
    }
    let mut attributes = vec![if below(&mailbox.name, mailboxes).next().is_some() {
        Attribute::HasChildren
    } else {
        Attribute::HasNoChildren
    }];
    if mailbox.subscribed && list.return_subscribed {
        attributes.push(Attribute::Subscribed);
    }
    if let Some(word) = &mailbox.special_use {
        attributes.push(Attribute::SpecialUse(word.clone()));
    }
    Some(Listed {
        name: mailbox.name.clone(),
        attributes,
        child_subscribed,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use pillarbox_proto::imap::server::Pattern;
    use pillarbox_store::{MailboxId, ModSeq};

    use super::*;

    fn mailbox(name: &str, subscribed: bool, special_use: Option<&str>) -> Mailbox {
        Mailbox {
            id: MailboxId(1),
            name: name.to_owned(),
            uid_validity: NonZeroU32::MIN,
            uid_next: NonZeroU32::MIN,
            highest_modseq: ModSeq(1),
            subscribed,
            special_use: special_use.map(str::to_owned),
            messages: 0,
            unseen: 0,
            deleted: 0,
            size: 0,
        }
    }

    fn names(pattern: &str, select: &[ListSelect]) -> Vec<String> {
        let mailboxes = [
            mailbox("INBOX", true, None),
            mailbox("Sent", false, Some("Sent")),
            mailbox("a", false, None),
            mailbox("a/b", true, None),
        ];
        let list = List {
            patterns: vec![Pattern::new("", pattern)],
            select: select.to_vec(),
            ..List::default()
        };
        mailboxes
            .iter()
            .filter_map(|mailbox| listed(&list, mailbox, &mailboxes))
            .map(|listed| {
                let mark = if listed.child_subscribed { "+" } else { "" };
                format!("{}{mark}", listed.name)
            })
            .collect()
    }

    #[test]
    fn selection() {
        use ListSelect::{RecursiveMatch, SpecialUse, Subscribed};
        assert_eq!(names("*", &[]), ["INBOX", "Sent", "a", "a/b"]);
        assert_eq!(names("%", &[Subscribed]), ["INBOX"]);
        assert_eq!(names("%", &[Subscribed, RecursiveMatch]), ["INBOX", "a+"]);
        assert_eq!(names("*", &[Subscribed, RecursiveMatch]), ["INBOX", "a/b"]);
        assert_eq!(names("*", &[SpecialUse]), ["Sent"]);
    }
}
