//! A process that writes to a store is killed with SIGKILL, again and again, at any moment. What it was told
//! is stored must be there, once and octet by octet; what it was not told is there whole or not at all.
//!
//! The process is this executable run anew. It writes what it is told into a **ledger**, a file of lines
//! that the operating system keeps when the process dies. Every content can be made again from its first
//! line, so it is compared with what it must be, not with a sum.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops where something is wrong"
)]

mod steps;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use pillarbox_policy::Timestamp;
use pillarbox_store::{
    AccountId, Appended, EmbeddedOptions, EmbeddedStore, Enqueued, FlagChange, Flags, ItemState,
    MailboxId, Message, ModSeq, NewQueued, Outcome, QueueId, Settled, Stores, Uid,
};
use steps::{
    NOW, Numbers, account, changes_since, content, delivery, mailbox, message, messages, octets,
    runtime, spooled, uid,
};

const FOLDER: &str = "PILLARBOX_TEST_STORE";
const ROUND: &str = "PILLARBOX_TEST_ROUND";
/// Times the process is killed.
const ROUNDS: u64 = 100;
const ACCOUNTS: u64 = 4;
const WRITERS: u64 = 8;
/// Recipients of a message of the queue.
const RECIPIENTS: u32 = 3;

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        shards: 2,
        // So small that the process is also killed between two segments.
        segment_size: 1 << 20,
    }
}

fn store_in(folder: &Path) -> PathBuf {
    folder.join("store")
}

fn ledger_in(folder: &Path) -> PathBuf {
    folder.join("ledger")
}

fn address(number: u64) -> String {
    format!("{number}@example.org")
}

/// What tells one content from all others: who wrote it, and how many were stored together with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Identity {
    round: u64,
    writer: u64,
    number: u64,
    /// Its place among those stored by the same operation.
    part: u64,
    parts: u64,
}

impl Identity {
    /// The content: a line that says what it is, then octets that follow from it.
    fn content(&self) -> Vec<u8> {
        let mut numbers = Numbers::from(self.seed());
        // Mostly small; now and then beyond memory, buffers and whole segments.
        let length = match numbers.below(40) {
            0 => numbers.below(1_500_000),
            1..=4 => numbers.below(90_000),
            _ => numbers.below(6_000),
        };
        let mut content = format!(
            "{} {} {} {} {} {length}\n",
            self.round, self.writer, self.number, self.part, self.parts
        )
        .into_bytes();
        content.extend(octets(length as usize, self.seed()));
        content
    }

    /// What a content says it is; `None` if it is not exactly that.
    fn of(content: &[u8]) -> Option<Self> {
        let end = content.iter().position(|octet| *octet == b'\n')?;
        let line = std::str::from_utf8(&content[..end]).ok()?;
        let numbers: Vec<u64> = line.split(' ').map_while(|n| n.parse().ok()).collect();
        let [round, writer, number, part, parts, _length] = numbers[..] else {
            return None;
        };
        let identity = Self {
            round,
            writer,
            number,
            part,
            parts,
        };
        (identity.content() == content).then_some(identity)
    }

    /// One that is stored by itself.
    fn single(round: u64, writer: u64, number: u64) -> Self {
        Self {
            round,
            writer,
            number,
            part: 0,
            parts: 1,
        }
    }

    /// What a delivery or a message of the queue with this content is known by.
    fn id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&(self.round as u32).to_le_bytes());
        id[4] = self.writer as u8;
        id[8..].copy_from_slice(&self.number.to_le_bytes());
        id
    }

    /// The content that has this id.
    fn of_id(id: [u8; 16]) -> Self {
        let round = u32::from_le_bytes(id[..4].try_into().unwrap());
        let number = u64::from_le_bytes(id[8..].try_into().unwrap());
        Self::single(round.into(), id[4].into(), number)
    }

    fn seed(&self) -> u64 {
        (self.round << 40) ^ (self.writer << 32) ^ (self.number << 4) ^ self.part
    }
}

// ---- the process that is killed

/// Lines that outlive this process.
#[derive(Debug, Clone)]
struct Ledger(Arc<Mutex<File>>);

impl Ledger {
    fn line(&self, line: &str) {
        self.0
            .lock()
            .unwrap()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }
}

#[test]
#[ignore = "it is run by the test below, as a process of its own"]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        println!("{FOLDER} is not set: nothing to write to");
        return;
    };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let ledger = OpenOptions::new()
        .append(true)
        .create(true)
        .open(ledger_in(&folder));
    let ledger = Ledger(Arc::new(Mutex::new(ledger.unwrap())));
    runtime().block_on(async {
        let store = EmbeddedStore::open(&store_in(&folder), options()).unwrap();
        let store = Stores::of(&Arc::new(store));
        let mut ids = Vec::new();
        for number in 0..ACCOUNTS {
            ids.push(account(&store, &address(number)).await);
        }
        ledger.line(&format!("ready {round}"));
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let id = ids[(number % ACCOUNTS) as usize];
            let writer = Writing {
                store: store.clone(),
                ledger: ledger.clone(),
                account: id,
                everybody: ids.clone(),
                round,
                number,
            };
            writers.push(tokio::spawn(writer.on_and_on()));
        }
        writers.push(tokio::spawn(work(store, ledger, round)));
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

/// Works on the queue: each job ends in one of the three ways.
async fn work(store: Stores, ledger: Ledger, round: u64) {
    let mut chance = Numbers::from(round << 8 | 0xff);
    let deadline = Timestamp(NOW.0 + 60);
    loop {
        let jobs = store.queue.lease(NOW, deadline, 3).await.unwrap();
        if jobs.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for job in jobs {
            let why = String::new();
            let (word, outcome) = match chance.below(4) {
                0 => ("failed", Outcome::Failed { why }),
                1 => ("waiting", Outcome::Retry { at: NOW, why }),
                _ => ("done", Outcome::Done),
            };
            let Identity {
                round,
                writer,
                number,
                ..
            } = Identity::of_id(job.item.message.0);
            let rest = format!("{round} {writer} {number} {} {word}", job.item.number);
            ledger.line(&format!("settling {rest}"));
            let settled = store.queue.settle(&job, outcome, NOW).await;
            assert_eq!(settled, Ok(Settled::Recorded));
            ledger.line(&format!("settled {rest}"));
        }
    }
}

struct Writing {
    store: Stores,
    ledger: Ledger,
    account: AccountId,
    everybody: Vec<AccountId>,
    round: u64,
    number: u64,
}

impl Writing {
    async fn on_and_on(self) {
        let mut chance = Numbers::from(self.round << 8 | self.number);
        let mut own: Vec<(MailboxId, Uid)> = Vec::new();
        for number in 0.. {
            let name = ["INBOX", "Archive"][chance.below(2) as usize];
            let mailbox = mailbox(&self.store, self.account, name).await.id;
            let parts = if chance.below(5) == 0 { 3 } else { 1 };
            match chance.below(16) {
                0 | 1 => {
                    self.deliver(number).await;
                    continue;
                }
                2 => {
                    self.enqueue(number).await;
                    continue;
                }
                3 if !own.is_empty() => {
                    let at = chance.below(own.len() as u64) as usize;
                    let (from, old) = own.swap_remove(at);
                    let new = self.replace(from, old, mailbox, number).await;
                    own.push((mailbox, new));
                    continue;
                }
                _ => {}
            }
            self.append(mailbox, number, parts, &mut own).await;
            if !own.is_empty() && chance.below(4) == 0 {
                let (mailbox, uid) = own[chance.below(own.len() as u64) as usize];
                self.flag(mailbox, uid, number).await;
            }
            if own.len() > 1 && chance.below(4) == 0 {
                let at = chance.below(own.len() as u64) as usize;
                let (mailbox, uid) = own.swap_remove(at);
                self.expunge(mailbox, uid).await;
            }
        }
    }

    fn tell(&self, word: &str, mailbox: MailboxId, uid: Uid, rest: &str) {
        let account = self.account.0;
        self.ledger
            .line(&format!("{word} {account} {} {} {rest}", mailbox.0, uid.0));
    }

    async fn append(
        &self,
        mailbox: MailboxId,
        number: u64,
        parts: u64,
        own: &mut Vec<(MailboxId, Uid)>,
    ) {
        let identity = |part| Identity {
            round: self.round,
            writer: self.number,
            number,
            part,
            parts,
        };
        let mut batch = Vec::new();
        for part in 0..parts {
            let content = identity(part).content();
            batch.push(message(&self.store, mailbox, &[], &content).await);
        }
        let appended = self.store.mail.append(self.account, batch).await.unwrap();
        for (part, one) in (0..parts).zip(appended) {
            self.stored(mailbox, one, identity(part));
            own.push((mailbox, one.uid));
        }
    }

    fn stored(&self, mailbox: MailboxId, one: Appended, identity: Identity) {
        let Identity {
            round,
            writer,
            number,
            part,
            parts,
        } = identity;
        let rest = format!("{} {round} {writer} {number} {part} {parts}", one.modseq.0);
        self.tell("stored", mailbox, one.uid, &rest);
    }

    /// One message for another: either is there, and never both.
    async fn replace(&self, from: MailboxId, old: Uid, to: MailboxId, number: u64) -> Uid {
        let identity = Identity::single(self.round, self.number, number);
        let rest = format!("{} {} {number}", self.round, self.number);
        self.tell("replacing", from, old, &rest);
        let new = message(&self.store, to, &[], &identity.content()).await;
        let replaced = self.store.mail.replace(self.account, from, old, new).await;
        let new = replaced.unwrap().unwrap();
        self.stored(to, new, identity);
        self.tell("expunged", from, old, "");
        new.uid
    }

    /// A message into the queue. The ledger knows of it before, as of a delivery.
    async fn enqueue(&self, number: u64) {
        let identity = Identity::single(self.round, self.number, number);
        let rest = format!("{} {} {number}", self.round, self.number);
        self.ledger.line(&format!("queuing {rest}"));
        assert_eq!(enqueue(&self.store, identity).await, Enqueued::New);
        self.ledger.line(&format!("queued {rest}"));
    }

    /// The same message to everybody. The ledger knows of it before: it is delivered again after the kill,
    /// and nobody may have it twice.
    async fn deliver(&self, number: u64) {
        let identity = Identity::single(self.round, self.number, number);
        let (round, writer) = (self.round, self.number);
        self.ledger
            .line(&format!("delivering {round} {writer} {number}"));
        for (account, got) in deliver(&self.store, identity, &self.everybody).await {
            let (account, mailbox, uid) = (account.0, got.mailbox.0, got.uid.0);
            self.ledger.line(&format!(
                "stored {account} {mailbox} {uid} {} {round} {writer} {number} 0 1",
                got.modseq.0
            ));
        }
    }

    async fn flag(&self, mailbox: MailboxId, uid: Uid, number: u64) {
        let flag = format!("k{number}");
        let change = FlagChange::Add(Flags::new([flag.clone()]));
        let changed = self
            .store
            .mail
            .set_flags(self.account, mailbox, &[uid], &change, None)
            .await;
        let modseq = changed.unwrap()[0].message.modseq;
        self.tell("flagged", mailbox, uid, &format!("{} {flag}", modseq.0));
    }

    async fn expunge(&self, mailbox: MailboxId, uid: Uid) {
        self.tell("expunging", mailbox, uid, "");
        let gone = self.store.mail.expunge(self.account, mailbox, &[uid]).await;
        assert_eq!(gone.unwrap(), [uid]);
        self.tell("expunged", mailbox, uid, "");
    }
}

/// Delivers a message to accounts; its identity is made of the content's.
async fn deliver(
    store: &Stores,
    identity: Identity,
    accounts: &[AccountId],
) -> Vec<(AccountId, Appended)> {
    let mut delivery = delivery(store, 0, accounts, &identity.content()).await;
    delivery.id.0 = identity.id();
    let answers = store.mail.deliver(delivery).await.unwrap();
    let got = answers.into_iter().map(Result::unwrap);
    accounts.iter().copied().zip(got).collect()
}

/// Queues a message; its identity is made of the content's.
async fn enqueue(store: &Stores, identity: Identity) -> Enqueued {
    let message = NewQueued {
        id: QueueId(identity.id()),
        sender: "a@example.org".to_owned(),
        recipients: (0..RECIPIENTS)
            .map(|n| format!("{n}@example.net"))
            .collect(),
        about: Vec::new(),
        queued: NOW,
        body: spooled(store, &identity.content()).await,
    };
    store.queue.enqueue(message).await.unwrap()
}

// ---- the test

type Key = (i64, i64, u32);

/// What the ledger and what was seen in the store so far say.
#[derive(Debug, Default)]
struct Known {
    /// Octets of the ledger that were read.
    read: usize,
    acknowledged: HashMap<Key, (Identity, ModSeq)>,
    flagged: HashMap<Key, (BTreeSet<String>, ModSeq)>,
    expunging: HashSet<Key>,
    expunged: HashSet<Key>,
    /// Deliveries that were begun and not repeated yet.
    delivering: Vec<Identity>,
    /// Messages that went, and what was to take their place.
    replacing: Vec<(Key, Identity)>,
    /// Messages of the queue that were begun and not repeated yet.
    queuing: Vec<Identity>,
    queued: HashSet<Identity>,
    items: HashMap<(Identity, u32), Tries>,
    bodies_read: HashSet<Identity>,
    ready: u64,
    /// What stood under each UID that was ever seen.
    seen: HashMap<Key, Identity>,
    /// UIDs that were seen and then not any more.
    gone: HashSet<Key>,
    /// Highest numbers after the round before: of UIDs by mailbox, of modification sequences by account.
    uids: HashMap<(i64, i64), u32>,
    modseqs: HashMap<i64, ModSeq>,
    unacknowledged: u64,
}

/// What the ledger says of an item of the queue.
#[derive(Debug, Default)]
struct Tries {
    begun: u32,
    acknowledged: u32,
    /// The last that was acknowledged, if none was begun after it.
    state: Option<String>,
}

impl Known {
    fn read_ledger(&mut self, folder: &Path) {
        let all = std::fs::read_to_string(ledger_in(folder)).unwrap_or_default();
        let new = &all[self.read..];
        // A line without an end was not finished before the process died.
        let end = new.rfind('\n').map_or(0, |at| at + 1);
        for line in new[..end].lines() {
            self.read_line(line);
        }
        self.read = all.len();
        if end < new.len() {
            // What is written next must not run into it.
            let mut ledger = OpenOptions::new()
                .append(true)
                .open(ledger_in(folder))
                .unwrap();
            ledger.write_all(b"\n").unwrap();
            self.read += 1;
        }
    }

    fn read_line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["ready", _] = words[..] {
            self.ready += 1;
            return;
        }
        let identity = |of: &[&str]| {
            let n: Vec<u64> = of.iter().map(|word| word.parse().unwrap()).collect();
            Identity::single(n[0], n[1], n[2])
        };
        match words[0] {
            "delivering" => return self.delivering.push(identity(&words[1..])),
            "queuing" => return self.queuing.push(identity(&words[1..])),
            "queued" => {
                self.queued.insert(identity(&words[1..]));
                return;
            }
            "settling" | "settled" => {
                let item = (identity(&words[1..4]), words[4].parse().unwrap());
                let tries = self.items.entry(item).or_default();
                if words[0] == "settling" {
                    tries.begun += 1;
                    tries.state = None;
                } else {
                    tries.acknowledged += 1;
                    tries.state = Some(words[5].to_owned());
                }
                return;
            }
            _ => {}
        }
        let key = (
            words[1].parse().unwrap(),
            words[2].parse().unwrap(),
            words[3].parse().unwrap(),
        );
        let rest = &words[4..];
        match words[0] {
            "stored" => {
                let n: Vec<u64> = rest.iter().map(|n| n.parse().unwrap()).collect();
                let identity = Identity {
                    round: n[1],
                    writer: n[2],
                    number: n[3],
                    part: n[4],
                    parts: n[5],
                };
                let before = self.acknowledged.insert(key, (identity, ModSeq(n[0])));
                assert_eq!(before, None, "{key:?} was given twice");
            }
            "flagged" => {
                let (flags, modseq) = self
                    .flagged
                    .entry(key)
                    .or_insert_with(|| (BTreeSet::new(), ModSeq(0)));
                *modseq = ModSeq(rest[0].parse().unwrap());
                flags.insert(rest[1].to_owned());
            }
            "expunging" => {
                self.expunging.insert(key);
            }
            "replacing" => {
                self.expunging.insert(key);
                self.replacing.push((key, identity(rest)));
            }
            "expunged" => {
                self.expunged.insert(key);
            }
            other => unreachable!("{other}"),
        }
    }

    /// Delivers again all that was begun, whatever had become of it.
    async fn deliver_again(&mut self, store: &Stores) {
        if self.delivering.is_empty() {
            return;
        }
        let mut everybody = Vec::new();
        for number in 0..ACCOUNTS {
            everybody.push(account(store, &address(number)).await);
        }
        for identity in std::mem::take(&mut self.delivering) {
            for (account, got) in deliver(store, identity, &everybody).await {
                let key = (account.0, got.mailbox.0, got.uid.0.get());
                let known = self.acknowledged.insert(key, (identity, got.modseq));
                assert!(known.is_none_or(|known| known == (identity, got.modseq)));
            }
        }
    }

    /// Queues again all that was begun, whatever had become of it.
    async fn enqueue_again(&mut self, store: &Stores) {
        for identity in std::mem::take(&mut self.queuing) {
            let said = enqueue(store, identity).await;
            if !self.queued.insert(identity) {
                assert_eq!(said, Enqueued::Known, "{identity:?}");
            }
        }
    }

    /// Every message that was queued is there with all its recipients, each tried as often as was said, or
    /// once more where the process died before it could say so.
    async fn check_queue(&mut self, store: &Stores) {
        let mut found: HashMap<Identity, u32> = HashMap::new();
        let mut after = None;
        loop {
            let page = store.queue.items(after, 1000).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for item in page {
                let identity = Identity::of_id(item.id.message.0);
                *found.entry(identity).or_default() += 1;
                let none = Tries::default();
                let tries = self.items.get(&(identity, item.id.number)).unwrap_or(&none);
                assert!(
                    (tries.acknowledged..=tries.begun).contains(&item.attempts),
                    "{item:?}: {tries:?}"
                );
                let state = match item.state {
                    ItemState::Waiting { .. } => "waiting",
                    ItemState::Done => "done",
                    ItemState::Failed { .. } => "failed",
                };
                assert!(tries.state.as_ref().is_none_or(|told| told == state));
                if self.bodies_read.insert(identity) {
                    let body = store.queue.queued_body(item.id.message).await.unwrap();
                    let content = body.read_at(0, usize::MAX).await.unwrap();
                    assert_eq!(Identity::of(&content), Some(identity));
                }
            }
        }
        assert!(found.values().all(|items| *items == RECIPIENTS));
        assert_eq!(found.into_keys().collect::<HashSet<_>>(), self.queued);
    }

    async fn check(&mut self, store: &Stores) {
        let mut there: HashMap<Key, Identity> = HashMap::new();
        for number in 0..ACCOUNTS {
            let Some(found) = store.accounts.find(&address(number)).await.unwrap() else {
                // Killed before it was made.
                continue;
            };
            let before = self.modseqs.get(&found.id.0).copied();
            let mut highest = before;
            for mailbox in store.mail.mailboxes(found.id).await.unwrap() {
                let listed = messages(store, found.id, mailbox.id).await;
                assert!(listed.is_sorted_by(|a, b| a.uid < b.uid));
                assert_eq!(listed.len() as u32, mailbox.messages);
                let in_mailbox = (found.id.0, mailbox.id.0);
                let last = self.uids.get(&in_mailbox).copied().unwrap_or(0);
                assert!(mailbox.uid_next.get() > last);
                for message in &listed {
                    assert!(message.uid.0 < mailbox.uid_next);
                    assert!(message.modseq <= mailbox.highest_modseq);
                    let key = (found.id.0, mailbox.id.0, message.uid.0.get());
                    let identity = self.check_message(store, found.id, key, message).await;
                    if !self.seen.contains_key(&key) {
                        assert!(key.2 > last, "UID {} came back", key.2);
                        assert!(Some(message.modseq) > before, "{key:?}");
                    }
                    there.insert(key, identity);
                }
                self.check_history(store, found.id, mailbox.id).await;
                self.uids.insert(in_mailbox, mailbox.uid_next.get() - 1);
                highest = highest.max(Some(mailbox.highest_modseq));
            }
            assert!(highest >= before);
            self.modseqs
                .extend(highest.map(|modseq| (found.id.0, modseq)));
        }
        self.check_all(&there);
        for (key, identity) in there {
            self.seen.insert(key, identity);
        }
    }

    /// What stands under a UID. A content is read when it is first seen; the last round reads all again.
    async fn check_message(
        &self,
        store: &Stores,
        account: AccountId,
        key: Key,
        message: &Message,
    ) -> Identity {
        assert!(!self.gone.contains(&key), "{key:?} came back");
        assert!(!self.expunged.contains(&key), "{key:?} was expunged");
        if let Some((flags, modseq)) = self.flagged.get(&key) {
            assert!(message.modseq >= *modseq);
            for flag in flags {
                assert!(message.flags.contains(flag), "{key:?} lost {flag}");
            }
        }
        if let Some(identity) = self.seen.get(&key) {
            return *identity;
        }
        let found = content(store, account, message.content).await.unwrap();
        assert_eq!(found.len() as u64, message.size);
        Identity::of(&found).unwrap_or_else(|| unreachable!("{key:?} is not whole: {message:?}"))
    }

    async fn check_history(&self, store: &Stores, account: AccountId, mailbox: MailboxId) {
        let changes = changes_since(store, account, mailbox, ModSeq(0)).await;
        let told: HashSet<Uid> = changes.unwrap().expunged.into_iter().collect();
        for key in &self.expunged {
            if (key.0, key.1) == (account.0, mailbox.0) {
                assert!(told.contains(&uid(key.2)), "nobody is told of {key:?}");
            }
        }
    }

    /// Nothing acknowledged is missing, nothing is there twice, and of what was not acknowledged all that
    /// belongs together is there or none of it.
    fn check_all(&mut self, there: &HashMap<Key, Identity>) {
        for (key, (identity, modseq)) in &self.acknowledged {
            assert!(modseq.0 > 0);
            match there.get(key) {
                Some(found) => assert_eq!(found, identity, "{key:?}"),
                None => assert!(
                    self.expunging.contains(key),
                    "{key:?} is lost: {identity:?}"
                ),
            }
        }
        // By account: everybody has what was delivered.
        let mut groups: BTreeMap<(i64, u64, u64, u64), u64> = BTreeMap::new();
        let mut once = HashSet::new();
        for (key, identity) in there {
            assert!(
                once.insert((key.0, *identity)),
                "{identity:?} is there twice"
            );
            if !self.acknowledged.contains_key(key) && !self.seen.contains_key(key) {
                self.unacknowledged += 1;
                let group = (key.0, identity.round, identity.writer, identity.number);
                *groups.entry(group).or_default() += 1;
            }
        }
        for (key, identity) in there {
            let group = (key.0, identity.round, identity.writer, identity.number);
            if let Some(found) = groups.get(&group)
                && !self.acknowledged.contains_key(key)
            {
                // Some of a group may have reached the ledger before the end.
                let acknowledged = self
                    .acknowledged
                    .iter()
                    .filter(|(of, (other, _))| {
                        (of.0, other.round, other.writer, other.number) == group
                    })
                    .count() as u64;
                assert_eq!(found + acknowledged, identity.parts, "{identity:?}");
            }
        }
        for (old, new) in &self.replacing {
            let is_new = |(key, identity): (&Key, &Identity)| key.0 == old.0 && identity == new;
            let acknowledged = self.acknowledged.iter().map(|(key, (of, _))| (key, of));
            let is_gone = acknowledged
                .filter(|one| is_new(*one))
                .any(|(key, _)| self.expunging.contains(key));
            let is_there = there.iter().any(is_new);
            assert!(
                is_gone || is_there != there.contains_key(old),
                "{old:?} and {new:?}"
            );
        }
        for key in self.seen.keys() {
            if !there.contains_key(key) {
                assert!(self.expunging.contains(key), "{key:?} vanished");
                self.gone.insert(*key);
            }
        }
    }
}

fn start(folder: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "the_process_that_is_killed"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn wait_until_ready(folder: &Path, round: u64) {
    let ready = format!("ready {round}\n");
    let begun = Instant::now();
    loop {
        let ledger = std::fs::read(ledger_in(folder)).unwrap_or_default();
        if ledger
            .windows(ready.len())
            .any(|line| line == ready.as_bytes())
        {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let seed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    println!("delays from seed {seed}");
    let mut chance = Numbers::from(seed);
    let mut known = Known::default();
    for round in 0..ROUNDS {
        let mut process = start(folder, round);
        // Every sixth dies at any moment from its first on, maybe while it brings the store in order.
        if round == 0 || round % 6 != 0 {
            wait_until_ready(folder, round);
        }
        std::thread::sleep(Duration::from_micros(chance.below(120_000)));
        process.kill().unwrap();
        assert_eq!(process.wait().unwrap().signal(), Some(9));
        known.read_ledger(folder);
        runtime().block_on(async {
            let store = EmbeddedStore::open(&store_in(folder), options()).unwrap();
            let store = Stores::of(&Arc::new(store));
            known.deliver_again(&store).await;
            known.enqueue_again(&store).await;
            known.check(&store).await;
            known.check_queue(&store).await;
            store.close().await;
        });
    }
    println!(
        "{} messages, {} expunges and {} of the queue acknowledged, {} replaced, {} messages there that were not",
        known.acknowledged.len(),
        known.expunged.len(),
        known.queued.len(),
        known.replacing.len(),
        known.unacknowledged
    );
    assert!(known.ready >= ROUNDS - ROUNDS / 6);
    assert!(known.acknowledged.len() as u64 > ROUNDS * 4);
    assert!(known.expunged.len() as u64 > ROUNDS / 4);
    assert!(known.replacing.len() as u64 > ROUNDS / 4);
    assert!(known.items.len() as u64 > ROUNDS / 4);
    // All contents once more, and again from an index that is made from the log alone.
    let report = EmbeddedStore::verify(&store_in(folder)).unwrap();
    assert!(report.is_sound(), "{report:?}");
    known.seen.clear();
    known.bodies_read.clear();
    known.uids.clear();
    known.modseqs.clear();
    EmbeddedStore::rebuild_index(&store_in(folder)).unwrap();
    runtime().block_on(async {
        let store = EmbeddedStore::open(&store_in(folder), options()).unwrap();
        let store = Stores::of(&Arc::new(store));
        known.check(&store).await;
        known.check_queue(&store).await;
        store.close().await;
    });
}
