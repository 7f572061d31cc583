//! One mail transaction: who may send, who receives, and the message on its way to them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use pillarbox_names::Address;
use pillarbox_policy::{Channel, CipherSuite, TlsFacts};
use pillarbox_proto::message::trace::{Client, Received, Text, TlsClause, TraceHost, protocol};
use pillarbox_proto::message::{HeaderStamp, format_date};
use pillarbox_proto::smtp::{ForwardPath, Mail, Rcpt, Refusal, ReversePath};
use pillarbox_store::{AccountId, DeliveryId, StoreError};
use pillarbox_transport::random;

use crate::core::clock;
use crate::core::delivery::Delivery;
use crate::{AccountHandle, Context};

/// Where a message came from, for its Received field.
pub(super) struct Arrival<'a> {
    /// The name given with EHLO.
    pub(super) client: String,
    pub(super) remote: SocketAddr,
    pub(super) channel: Channel<'a>,
}

/// A transaction whose sender was accepted.
#[derive(Debug)]
pub(super) struct Transaction {
    mail: Mail,
    sender_account: String,
    recipients: Vec<Recipient>,
    message: Option<Message>,
}

#[derive(Debug)]
struct Recipient {
    address: String,
    account: AccountId,
}

/// The message on its way.
#[derive(Debug)]
struct Message {
    id: String,
    stamp: HeaderStamp,
    delivery: Delivery,
}

impl Transaction {
    /// Whether this account may send so: from its own address, or with the null return path.
    pub(super) fn begin(mail: Mail, account: &AccountHandle) -> Result<Self, Refusal> {
        if let ReversePath::Address(address) = &mail.reverse_path {
            if !address.domain().is_fully_qualified() {
                return Err(Refusal::SenderNotQualified);
            }
            if !address.to_string().eq_ignore_ascii_case(&account.address) {
                return Err(Refusal::NotYourAddress);
            }
        }
        Ok(Self {
            mail,
            sender_account: account.address.clone(),
            recipients: Vec::new(),
            message: None,
        })
    }

    /// Adds a recipient, if it is an account here.
    pub(super) async fn add(&mut self, rcpt: Rcpt, cx: &Context) -> Result<(), Refusal> {
        let settings = cx.settings();
        let address = match rcpt.forward_path {
            ForwardPath::Address(address) => qualified(address)?,
            // RFC 5321 §4.5.1: whoever runs this server.
            ForwardPath::Postmaster => {
                let domain = settings.domains.first().ok_or(Refusal::NoSuchMailbox)?;
                format!("postmaster@{domain}")
                    .parse()
                    .map_err(|_| Refusal::NoSuchMailbox)?
            }
        };
        if !address
            .domain()
            .name()
            .is_some_and(|domain| settings.is_local(domain))
        {
            return Err(Refusal::NoRelay);
        }
        let address = address.to_string();
        let account = match cx.stores.accounts.find(&address).await {
            Ok(Some(account)) => account.id,
            Ok(None) => return Err(Refusal::NoSuchMailbox),
            Err(error) => return Err(failed(&error)),
        };
        self.recipients.push(Recipient { address, account });
        Ok(())
    }

    /// Begins the message with the fields that delivery and submission add.
    pub(super) async fn begin_content(
        &mut self,
        cx: &Context,
        arrival: &Arrival<'_>,
    ) -> Result<(), Refusal> {
        let id = random::unique_name().map_err(|_| Refusal::LocalError)?;
        let hostname = cx.settings().hostname.to_string();
        let accounts: Vec<AccountId> = self.recipients.iter().map(|to| to.account).collect();
        let unique = random::bytes().map_err(|_| Refusal::LocalError)?;
        let mut delivery = Delivery::begin(
            Arc::clone(&cx.stores.mail),
            DeliveryId(*unique),
            &accounts,
            &self.mail.reverse_path,
        )
        .await
        .map_err(|error| failed(&error))?;
        let received = self.received(arrival, &hostname, &id);
        delivery
            .write(received.to_string().as_bytes())
            .await
            .map_err(|error| failed(&error))?;
        let stamp = HeaderStamp::new(
            format!("Date: {}\r\n", format_date(clock::now())),
            format!("Message-ID: <{id}@{hostname}>\r\n"),
        );
        self.message = Some(Message {
            id,
            stamp,
            delivery,
        });
        Ok(())
    }

    /// Takes a piece of content. After an error nothing more is to come.
    pub(super) async fn content(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let Some(message) = &mut self.message else {
            return Err(Refusal::LocalError);
        };
        let stamped = message.stamp.push(piece);
        match message.delivery.write(&stamped).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.message = None;
                Err(failed(&error))
            }
        }
    }

    /// Stores the message for every recipient. `Ok` only when it is on stable storage.
    pub(super) async fn commit(self) -> Result<(), Refusal> {
        let Some(Message {
            id,
            stamp,
            mut delivery,
        }) = self.message
        else {
            return Err(Refusal::LocalError);
        };
        let rest = stamp.finish();
        delivery
            .write(&rest)
            .await
            .map_err(|error| failed(&error))?;
        let octets = delivery.len();
        let stored = delivery
            .commit(clock::now())
            .await
            .map_err(|error| failed(&error))?;
        tracing::info!(
            id,
            login = self.sender_account,
            copies = stored,
            octets,
            "message stored"
        );
        Ok(())
    }

    fn received(&self, arrival: &Arrival<'_>, hostname: &str, id: &str) -> Received {
        let text = if self.mail.parameters.smtputf8 {
            Text::Utf8
        } else {
            Text::Ascii
        };
        if let Some(CipherSuite::Unknown(suite)) = arrival.channel.facts().map(TlsFacts::suite)
            && is_new(suite)
        {
            tracing::warn!(
                suite = format!("0x{suite:04X}"),
                "a TLS suite has no name in this program; Received fields show its number: please report it"
            );
        }
        let recipient = match self.recipients.as_slice() {
            [one] => Some(one.address.clone()),
            _ => None,
        };
        Received {
            from: TraceHost::client(&arrival.client, arrival.remote.ip()),
            by: TraceHost::named(hostname),
            via: None,
            with: Some(protocol(arrival.channel, Client::LoggedIn, text).to_owned()),
            id: Some(id.to_owned()),
            recipient,
            tls: arrival.channel.facts().map(TlsClause::of),
            others: Vec::new(),
            date: clock::now(),
        }
    }
}

/// Whether a suite without a name is seen for the first time: the operator is told once (S4.3-5).
fn is_new(suite: u16) -> bool {
    static SEEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.insert(suite)
}

fn qualified(address: Address) -> Result<Address, Refusal> {
    if address.domain().is_fully_qualified() {
        return Ok(address);
    }
    Err(Refusal::RecipientNotQualified)
}

/// What a sender is told when the store fails; the operator is told more.
fn failed(error: &StoreError) -> Refusal {
    tracing::error!(%error, "a submitted message could not be stored");
    match error {
        StoreError::Disk { .. } => Refusal::StorageFull,
        StoreError::TooLarge { .. } => Refusal::BadContent,
        StoreError::NotFound { .. } => Refusal::NoSuchMailbox,
        _ => Refusal::LocalError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unnamed_suite_is_told_of_once() {
        assert!(is_new(0xfefe));
        assert!(!is_new(0xfefe));
        assert!(is_new(0xfeff));
    }
}
