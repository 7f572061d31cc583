//! Entries on disk: what is written is what is read, and garbage is an error.

use proptest::prelude::*;

use super::*;
use crate::embedded::disk::codec::{octets, read};

fn uid() -> impl Strategy<Value = Uid> {
    (1..=u32::MAX).prop_map(|uid| Uid(NonZeroU32::new(uid).unwrap()))
}

fn mailbox() -> impl Strategy<Value = MailboxId> {
    any::<i64>().prop_map(MailboxId)
}

fn modseq() -> impl Strategy<Value = ModSeq> {
    any::<u64>().prop_map(ModSeq)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn flags() -> impl Strategy<Value = Flags> {
    prop::collection::vec("\\\\?[A-Za-z$]{1,12}", 0..5).prop_map(Flags::new)
}

fn verifiers() -> impl Strategy<Value = Verifiers> {
    let keys = (any::<[u8; 32]>(), any::<[u8; 32]>());
    (".*", any::<Vec<u8>>(), any::<u32>(), keys).prop_map(|(argon2id, salt, iterations, keys)| {
        Verifiers {
            argon2id,
            scram_sha256: ScramKeys {
                salt,
                iterations,
                stored_key: keys.0,
                server_key: keys.1,
            },
        }
    })
}

fn ladder() -> impl Strategy<Value = Ladder> {
    let rung = prop_oneof![
        time().prop_map(|until| Rung::Cleartext { until }),
        Just(Rung::StartTls),
        Just(Rung::ImplicitTls),
    ];
    let version = prop_oneof![Just(TlsVersion::Tls12), Just(TlsVersion::Tls13)];
    (rung, version, prop::option::of(time()), time())
        .prop_map(|(rung, version, weaker, since)| Ladder::restore(rung, version, weaker, since))
}

fn measure() -> impl Strategy<Value = Measure> {
    (any::<u64>(), any::<u32>()).prop_map(|(size, crc)| Measure { size, crc })
}

fn message() -> impl Strategy<Value = AppendedMessage> {
    let ids = (mailbox(), uid(), any::<u64>(), modseq());
    let rest = (time(), any::<i16>(), flags(), any::<Vec<u8>>());
    (ids, rest, measure()).prop_map(|(ids, rest, body)| AppendedMessage {
        mailbox: ids.0,
        uid: ids.1,
        content: ContentId(ids.2),
        modseq: ids.3,
        internal_date: rest.0,
        internal_offset: rest.1,
        flags: rest.2,
        structure: rest.3,
        body,
    })
}

fn delivered() -> impl Strategy<Value = DeliveredMessage> {
    let to =
        (any::<i64>(), message(), uid()).prop_map(|(account, message, uid_validity)| DeliveredTo {
            account: AccountId(account),
            appended: Appended {
                mailbox: message.mailbox,
                uid_validity: uid_validity.0,
                uid: message.uid,
                content: message.content,
                modseq: message.modseq,
            },
            flags: message.flags,
        });
    let to = prop::collection::vec(to, 0..4);
    (any::<[u8; 16]>(), message(), to).prop_map(|(id, message, to)| DeliveredMessage {
        delivery: DeliveryId(id),
        internal_date: message.internal_date,
        internal_offset: message.internal_offset,
        structure: message.structure,
        body: message.body,
        to,
    })
}

fn queued() -> impl Strategy<Value = QueuedMessage> {
    let addresses = (".*", prop::collection::vec(".*", 0..4));
    let rest = (any::<Vec<u8>>(), time(), measure());
    (any::<[u8; 16]>(), addresses, rest).prop_map(|(id, addresses, rest)| QueuedMessage {
        id: QueueId(id),
        sender: addresses.0,
        recipients: addresses.1,
        about: rest.0,
        queued: rest.1,
        body: rest.2,
    })
}

fn settled() -> impl Strategy<Value = Effect> {
    let outcome = prop_oneof![
        Just(Outcome::Done),
        ".*".prop_map(|why| Outcome::Failed { why }),
        (time(), ".*").prop_map(|(at, why)| Outcome::Retry { at, why }),
    ];
    (any::<[u8; 16]>(), any::<u32>(), outcome, time()).prop_map(|(message, number, outcome, at)| {
        let message = QueueId(message);
        Effect::QueueSettled(ItemId { message, number }, outcome, at)
    })
}

fn effect() -> impl Strategy<Value = Effect> {
    let uids = || prop::collection::vec(uid(), 0..9);
    let pairs = prop::collection::vec((uid(), uid()), 0..9);
    let account = (".*", verifiers(), ladder(), time());
    let new_mailbox = (mailbox(), ".*", uid(), modseq(), any::<bool>());
    prop_oneof![
        account.prop_map(|(address, verifiers, ladder, created)| {
            let account = NewAccount {
                address,
                verifiers,
                ladder,
            };
            Effect::AccountCreated(Box::new(account), created)
        }),
        verifiers().prop_map(Effect::VerifiersSet),
        ladder().prop_map(Effect::LadderSet),
        time().prop_map(Effect::PasswordExposed),
        Just(Effect::AccountDeleted),
        (new_mailbox, prop::option::of(".*")).prop_map(|(new, special_use)| {
            Effect::MailboxCreated(NewMailbox {
                id: new.0,
                name: new.1,
                uid_validity: new.2.0,
                modseq: new.3,
                subscribed: new.4,
                special_use,
            })
        }),
        (mailbox(), ".*").prop_map(|(mailbox, name)| Effect::MailboxRenamed(mailbox, name)),
        mailbox().prop_map(Effect::MailboxDeleted),
        (mailbox(), any::<bool>()).prop_map(|(mailbox, is)| Effect::Subscribed(mailbox, is)),
        message().prop_map(|message| Effect::Appended(Box::new(message))),
        delivered().prop_map(|message| Effect::Delivered(Box::new(message))),
        queued().prop_map(|message| Effect::Queued(Box::new(message))),
        settled(),
        (mailbox(), modseq(), flags(), uids()).prop_map(|(mailbox, modseq, flags, uids)| {
            Effect::FlagsSet(FlagsSet {
                mailbox,
                modseq,
                flags,
                uids,
            })
        }),
        (mailbox(), modseq(), uids()).prop_map(|(mailbox, modseq, uids)| {
            Effect::Expunged(Expunged {
                mailbox,
                modseq,
                uids,
            })
        }),
        (mailbox(), mailbox(), modseq(), pairs).prop_map(|(from, to, modseq, uids)| {
            Effect::Copied(Copied {
                from,
                to,
                modseq,
                uids,
            })
        }),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    (any::<i64>(), prop::collection::vec(effect(), 0..6)).prop_map(|(account, effects)| Entry {
        account: AccountId(account),
        effects,
    })
}

#[test]
fn an_effect_of_a_later_version_is_refused() {
    let later = octets(&(AccountId(1), vec![200_u8]));
    let refused = Malformed("it has an effect that this version does not know");
    assert_eq!(read::<Entry>(&later), Err(refused));
}

/// The octets of every effect, by hand from the table in the engine's documentation: what an earlier version
/// wrote is read by this one.
#[test]
fn the_octets_are_those_that_are_documented() {
    let message = |entry: &[u8]| {
        entry
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect::<String>()
    };
    let (mailbox, modseq) = (MailboxId(2), ModSeq(3));
    let uid = |number| Uid(NonZeroU32::new(number).unwrap());
    let copied = Effect::Copied(Copied {
        from: mailbox,
        to: MailboxId(4),
        modseq,
        uids: vec![(uid(5), uid(6))],
    });
    let set = Effect::FlagsSet(FlagsSet {
        mailbox,
        modseq,
        flags: Flags::new(["a"]),
        uids: vec![uid(7)],
    });
    let created = Effect::MailboxCreated(NewMailbox {
        id: mailbox,
        name: "n".to_owned(),
        uid_validity: NonZeroU32::MAX,
        modseq,
        subscribed: true,
        special_use: None,
    });
    let settled = Effect::QueueSettled(
        ItemId {
            message: QueueId([8; 16]),
            number: 9,
        },
        Outcome::Retry {
            at: Timestamp(-1),
            why: "w".to_owned(),
        },
        Timestamp(1),
    );
    let appended = Effect::Appended(Box::new(AppendedMessage {
        mailbox,
        uid: uid(5),
        content: ContentId(6),
        modseq,
        internal_date: Timestamp(7),
        internal_offset: -2,
        flags: Flags::default(),
        structure: vec![0xab],
        body: Measure { size: 8, crc: 9 },
    }));
    for (effect, expected) in [
        (
            copied,
            "0d 0200000000000000 0400000000000000 0300000000000000 01000000 05000000 06000000",
        ),
        (
            set,
            "0b 0200000000000000 0300000000000000 01000000 01000000 61 01000000 07000000",
        ),
        (
            created,
            "06 0200000000000000 01000000 6e ffffffff 0300000000000000 01 00",
        ),
        (
            settled,
            "10 08080808080808080808080808080808 09000000 02 ffffffffffffffff 01000000 77 0100000000000000",
        ),
        (
            appended,
            "0a 0200000000000000 05000000 0600000000000000 0300000000000000 0700000000000000 feff \
             00000000 01000000 ab 0800000000000000 09000000",
        ),
    ] {
        assert_eq!(message(&octets(&effect)), expected.replace(' ', ""));
    }
}

#[test]
fn bodies_are_listed_in_the_order_of_their_messages() {
    let message = |size, crc| {
        Effect::Appended(Box::new(AppendedMessage {
            mailbox: MailboxId(1),
            uid: Uid(NonZeroU32::MIN),
            content: ContentId(1),
            modseq: ModSeq(1),
            internal_date: Timestamp(0),
            internal_offset: 0,
            flags: Flags::default(),
            structure: Vec::new(),
            body: Measure { size, crc },
        }))
    };
    let entry = Entry {
        account: AccountId(1),
        effects: vec![message(5, 50), Effect::AccountDeleted, message(3, 30)],
    };
    let bodies: Vec<_> = entry.bodies().map(|body| (body.size, body.crc)).collect();
    assert_eq!(bodies, [(5, 50), (3, 30)]);
}

proptest! {
    #[test]
    fn every_entry_is_read_as_it_was_written(entry in entry()) {
        let bytes = octets(&entry);
        prop_assert_eq!(read::<Entry>(&bytes), Ok(entry));
    }

    #[test]
    fn a_cut_entry_is_an_error(entry in entry(), at in any::<prop::sample::Index>()) {
        let bytes = octets(&entry);
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(read::<Entry>(cut).is_err());
    }

    #[test]
    fn something_behind_an_entry_is_an_error(entry in entry(), byte: u8) {
        let mut bytes = octets(&entry);
        bytes.push(byte);
        prop_assert_eq!(read::<Entry>(&bytes), Err(Malformed("something follows its end")));
    }

    #[test]
    fn garbage_is_an_error_or_an_entry_and_never_a_panic(
        entry in entry(),
        noise: Vec<u8>,
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let _ = read::<Entry>(&noise);
        let mut bytes = octets(&entry);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let _ = read::<Entry>(&bytes);
    }
}
