//! What tests of a store do again and again: make an account, bring content in, read it back.
#![allow(
    dead_code,
    reason = "each test takes the steps it needs; none takes all"
)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use pillarbox_policy::{Ladder, Timestamp};
use pillarbox_store::{
    Account, AccountId, Appended, Changes, ContentId, DeliveryId, FlagChange, Flags, FlagsChanged,
    Mailbox, MailboxId, Message, ModSeq, NewAccount, NewDelivery, NewMessage, Recipient, ScramKeys,
    Spool, StoreError, Stores, Uid, UidRange, Verifiers,
};

/// When tests take place.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);

/// A runtime like the server's.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Numbers that look random and are the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn from(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Content that no other length or seed has any part of.
pub(crate) fn octets(length: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers::from(seed ^ (length as u64) << 32);
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        all.extend_from_slice(&numbers.next().to_le_bytes());
    }
    all.truncate(length);
    all
}

pub(crate) fn uid(number: u32) -> Uid {
    Uid(NonZeroU32::new(number).unwrap())
}

pub(crate) fn range(from: u32, to: u32) -> UidRange {
    UidRange {
        from: uid(from),
        to: uid(to),
    }
}

pub(crate) fn verifiers(seed: u8) -> Verifiers {
    Verifiers {
        argon2id: format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${seed}"),
        scram_sha256: ScramKeys {
            salt: vec![seed; 16],
            iterations: 4096 + u32::from(seed),
            stored_key: [seed; 32],
            server_key: [seed ^ 0xff; 32],
        },
    }
}

pub(crate) fn new_account(address: &str) -> NewAccount {
    NewAccount {
        address: address.to_owned(),
        verifiers: verifiers(1),
        ladder: Ladder::new(NOW),
    }
}

pub(crate) async fn create_account(store: &Stores, address: &str) -> AccountId {
    store
        .accounts
        .create(new_account(address), NOW)
        .await
        .unwrap()
}

/// The account with this address, made if there is none.
pub(crate) async fn account(store: &Stores, address: &str) -> AccountId {
    match store.accounts.find(address).await.unwrap() {
        Some(account) => account.id,
        None => create_account(store, address).await,
    }
}

pub(crate) async fn mailbox(store: &Stores, account: AccountId, name: &str) -> Mailbox {
    store.mail.mailbox(account, name).await.unwrap()
}

/// Content brought in by pieces of several sizes.
pub(crate) async fn spooled(store: &Stores, content: &[u8]) -> Box<dyn Spool> {
    let mut spool = store.mail.spool().await.unwrap();
    let mut rest = content;
    for length in [1, 4096, 16 << 10, 100_000].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(length));
        spool.write(piece).await.unwrap();
        rest = after;
    }
    assert_eq!(spool.len(), content.len() as u64);
    spool
}

pub(crate) async fn message(
    store: &Stores,
    mailbox: MailboxId,
    flags: &[&str],
    content: &[u8],
) -> NewMessage<Box<dyn Spool>> {
    NewMessage {
        mailbox,
        flags: Flags::new(flags.iter().copied()),
        internal_date: NOW,
        internal_offset: 60,
        index: Vec::new(),
        body: spooled(store, content).await,
    }
}

/// Appends one message without flags.
pub(crate) async fn append(
    store: &Stores,
    account: AccountId,
    mailbox: MailboxId,
    content: &[u8],
) -> Appended {
    append_with(store, account, mailbox, &[], content).await
}

/// Appends one message with flags.
pub(crate) async fn append_with(
    store: &Stores,
    account: AccountId,
    mailbox: MailboxId,
    flags: &[&str],
    content: &[u8],
) -> Appended {
    let message = message(store, mailbox, flags, content).await;
    let appended = store.mail.append(account, vec![message]).await.unwrap();
    assert_eq!(appended.len(), 1);
    appended[0]
}

/// A recipient's INBOX.
pub(crate) fn recipient(account: AccountId) -> Recipient {
    Recipient {
        account,
        mailbox: "INBOX".to_owned(),
        flags: Flags::default(),
    }
}

/// A delivery to INBOXes; `number` is its identity.
pub(crate) async fn delivery(
    store: &Stores,
    number: u8,
    accounts: &[AccountId],
    content: &[u8],
) -> NewDelivery {
    NewDelivery {
        id: DeliveryId([number; 16]),
        recipients: accounts.iter().copied().map(recipient).collect(),
        internal_date: NOW,
        internal_offset: 0,
        index: Vec::new(),
        body: spooled(store, content).await,
    }
}

/// Changes flags.
pub(crate) async fn set_flags(
    store: &Stores,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
    change: &FlagChange,
    unchanged_since: Option<ModSeq>,
) -> Vec<FlagsChanged> {
    let mail = &store.mail;
    let changed = mail.set_flags(account, mailbox, uids, change, unchanged_since);
    changed.await.unwrap()
}

/// Removes messages; answers those that were there.
pub(crate) async fn expunge(
    store: &Stores,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
) -> Vec<Uid> {
    let gone = store.mail.expunge(account, mailbox, uids).await;
    gone.unwrap()
}

/// Copies messages; answers pairs of old UID and what it became.
pub(crate) async fn copy(
    store: &Stores,
    account: AccountId,
    from: MailboxId,
    uids: &[Uid],
    to: MailboxId,
) -> Vec<(Uid, Appended)> {
    let copied = store.mail.copy(account, from, uids, to).await;
    copied.unwrap()
}

/// Moves messages, all of them; answers pairs of old UID and what it became.
pub(crate) async fn move_all(
    store: &Stores,
    account: AccountId,
    from: MailboxId,
    uids: &[Uid],
    to: MailboxId,
) -> Vec<(Uid, Appended)> {
    let moved = store.mail.move_messages(account, from, uids, to).await;
    let moved = moved.unwrap();
    assert_eq!(moved.failed, None);
    moved.pairs
}

/// A whole content, read in pieces.
pub(crate) async fn content(
    store: &Stores,
    account: AccountId,
    content: ContentId,
) -> Result<Vec<u8>, StoreError> {
    let body = store.mail.body(account, content).await?;
    let mut all = Vec::new();
    loop {
        let piece = body.read_at(all.len() as u64, 60_000).await?;
        if piece.is_empty() {
            assert_eq!(body.len(), all.len() as u64);
            return Ok(all);
        }
        all.extend_from_slice(&piece);
    }
}

/// Every message of a mailbox.
pub(crate) async fn messages(
    store: &Stores,
    account: AccountId,
    mailbox: MailboxId,
) -> Vec<Message> {
    store
        .mail
        .messages(account, mailbox, &[UidRange::ALL])
        .await
        .unwrap()
}

/// All that changed in a mailbox after `since`, by UID.
pub(crate) async fn changes_since(
    store: &Stores,
    account: AccountId,
    mailbox: MailboxId,
    since: ModSeq,
) -> Result<Changes, StoreError> {
    let changes = store
        .mail
        .changes_since(account, mailbox, since, u32::MAX)
        .await;
    changes.map(|mut changes| {
        changes.changed.sort_by_key(|message| message.uid);
        changes
    })
}

/// All that a store tells about an account, for comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Everything {
    account: String,
    mailboxes: Vec<Mailbox>,
    messages: BTreeMap<MailboxId, Vec<Message>>,
    history: BTreeMap<MailboxId, Changes>,
    contents: BTreeMap<ContentId, (Vec<u8>, Vec<u8>)>,
}

/// All that a store tells about all accounts.
pub(crate) async fn everything(store: &Stores) -> Vec<Everything> {
    let mut all = Vec::new();
    for account in store.accounts.page(None, 100).await.unwrap() {
        all.push(everything_of(store, &account).await);
    }
    all
}

async fn everything_of(store: &Stores, account: &Account) -> Everything {
    let id = account.id;
    let Verifiers {
        argon2id,
        scram_sha256: keys,
    } = &account.verifiers;
    let mut found = Everything {
        account: format!(
            "{account:?} {argon2id} {:?} {} {:?} {:?}",
            keys.salt, keys.iterations, keys.stored_key, keys.server_key
        ),
        mailboxes: store.mail.mailboxes(id).await.unwrap(),
        messages: BTreeMap::new(),
        history: BTreeMap::new(),
        contents: BTreeMap::new(),
    };
    for mailbox in found.mailboxes.clone() {
        let listed = messages(store, id, mailbox.id).await;
        for message in &listed {
            let octets = content(store, id, message.content).await.unwrap();
            let index = store.mail.index(id, message.content).await.unwrap();
            found.contents.insert(message.content, (octets, index));
        }
        found.messages.insert(mailbox.id, listed);
        let changes = changes_since(store, id, mailbox.id, ModSeq(0)).await;
        found.history.insert(mailbox.id, changes.unwrap());
    }
    found
}
