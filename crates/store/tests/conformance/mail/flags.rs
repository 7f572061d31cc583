//! Flags of messages.

use pillarbox_store::{
    AccountId, FlagChange, Flags, FlagsChanged, MailboxId, Message, ModSeq, StoreError, Stores, Uid,
};

use crate::steps::{append, append_with, create_account, expunge, mailbox, messages, uid};
use crate::{Place, assert_refused};

struct Inbox {
    store: Stores,
    jane: AccountId,
    id: MailboxId,
}

impl Inbox {
    async fn in_place(place: &Place) -> Self {
        let store = place.open();
        let jane = create_account(&store, "jane@example.org").await;
        let id = mailbox(&store, jane, "INBOX").await.id;
        Self { store, jane, id }
    }

    async fn set(
        &self,
        uids: &[Uid],
        change: FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Vec<Message>, StoreError> {
        let before = messages(&self.store, self.jane, self.id).await;
        let mail = &self.store.mail;
        let answers = mail.set_flags(self.jane, self.id, uids, &change, unchanged_since);
        let answers = answers.await?;
        for FlagsChanged {
            message,
            before: known,
        } in &answers
        {
            let old = before.iter().find(|old| old.uid == message.uid).unwrap();
            assert_eq!(*known, old.modseq, "the modification sequence before");
        }
        Ok(answers.into_iter().map(|answer| answer.message).collect())
    }

    async fn flags(&self, uid: Uid) -> Vec<String> {
        let all = messages(&self.store, self.jane, self.id).await;
        let found = all.iter().find(|message| message.uid == uid).unwrap();
        found.flags.iter().map(str::to_owned).collect()
    }
}

pub(crate) async fn flags_are_replaced_added_and_removed(place: Place) {
    let inbox = Inbox::in_place(&place).await;
    let one = append_with(&inbox.store, inbox.jane, inbox.id, &["a", "b"], b"")
        .await
        .uid;
    let steps = [
        (FlagChange::Add(Flags::new(["c", "b"])), vec!["a", "b", "c"]),
        (FlagChange::Remove(Flags::new(["a", "x"])), vec!["b", "c"]),
        (
            FlagChange::Replace(Flags::new(["\\Seen", "c"])),
            vec!["\\Seen", "c"],
        ),
        (FlagChange::Add(Flags::default()), vec!["\\Seen", "c"]),
        (FlagChange::Replace(Flags::default()), vec![]),
    ];
    let mut modseq = ModSeq(0);
    for (change, expected) in steps {
        let changed = inbox.set(&[one], change, None).await.unwrap();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].flags, Flags::new(expected.clone()));
        assert!(changed[0].modseq >= modseq);
        modseq = changed[0].modseq;
        assert_eq!(messages(&inbox.store, inbox.jane, inbox.id).await, changed);
        let now = mailbox(&inbox.store, inbox.jane, "INBOX").await;
        assert_eq!(now.highest_modseq, modseq);
    }
    let store = place.reopen(inbox.store).await;
    assert_eq!(
        messages(&store, inbox.jane, inbox.id).await[0].modseq,
        modseq
    );
}

pub(crate) async fn flags_ignore_case_and_keep_their_first_spelling(place: Place) {
    let inbox = Inbox::in_place(&place).await;
    let flags = ["\\Seen", "Work", "WORK"];
    let one = append_with(&inbox.store, inbox.jane, inbox.id, &flags, b"")
        .await
        .uid;
    assert_eq!(inbox.flags(one).await, ["\\Seen", "Work"]);
    let again = FlagChange::Add(Flags::new(["\\SEEN", "work"]));
    inbox.set(&[one], again, None).await.unwrap();
    assert_eq!(inbox.flags(one).await, ["\\Seen", "Work"]);
    let replace = FlagChange::Replace(Flags::new(["wOrK"]));
    inbox.set(&[one], replace, None).await.unwrap();
    assert_eq!(inbox.flags(one).await, ["Work"]);
    let remove = FlagChange::Remove(Flags::new(["wORK"]));
    inbox.set(&[one], remove, None).await.unwrap();
    assert!(inbox.flags(one).await.is_empty());
}

pub(crate) async fn what_does_not_change_keeps_its_modseq(place: Place) {
    let inbox = Inbox::in_place(&place).await;
    let one = append_with(&inbox.store, inbox.jane, inbox.id, &["a"], b"").await;
    let two = append(&inbox.store, inbox.jane, inbox.id, b"").await;
    let add = FlagChange::Add(Flags::new(["A"]));
    let changed = inbox
        .set(&[one.uid, two.uid], add.clone(), None)
        .await
        .unwrap();
    assert_eq!(changed[0].modseq, one.modseq);
    assert!(changed[1].modseq > two.modseq);
    let highest = mailbox(&inbox.store, inbox.jane, "INBOX")
        .await
        .highest_modseq;
    assert_eq!(highest, changed[1].modseq);
    assert_eq!(
        inbox.set(&[one.uid, two.uid], add, None).await.unwrap(),
        changed
    );
    let now = mailbox(&inbox.store, inbox.jane, "INBOX")
        .await
        .highest_modseq;
    assert_eq!(now, highest);
}

pub(crate) async fn unchanged_since_protects_later_changes(place: Place) {
    let inbox = Inbox::in_place(&place).await;
    let one = append(&inbox.store, inbox.jane, inbox.id, b"").await;
    let two = append(&inbox.store, inbox.jane, inbox.id, b"").await;
    let both = [one.uid, two.uid];
    let add = |flag: &str| FlagChange::Add(Flags::new([flag]));
    // At most `unchanged_since`: the message at that very number is changed.
    let answer = inbox.set(&both, add("a"), Some(one.modseq)).await.unwrap();
    assert_eq!(answer.len(), 2);
    assert!(answer[0].flags.contains("a") && answer[0].modseq > two.modseq);
    assert!(!answer[1].flags.contains("a"));
    assert_eq!(answer[1].modseq, two.modseq);
    let answer = inbox.set(&both, add("b"), Some(ModSeq(0))).await.unwrap();
    assert!(answer.iter().all(|message| !message.flags.contains("b")));
    let highest = mailbox(&inbox.store, inbox.jane, "INBOX")
        .await
        .highest_modseq;
    let answer = inbox.set(&both, add("c"), Some(highest)).await.unwrap();
    assert!(answer.iter().all(|message| message.flags.contains("c")));
}

pub(crate) async fn messages_that_are_gone_are_passed_over(place: Place) {
    let inbox = Inbox::in_place(&place).await;
    for _ in 0..3 {
        append(&inbox.store, inbox.jane, inbox.id, b"").await;
    }
    let gone = uid(2);
    expunge(&inbox.store, inbox.jane, inbox.id, &[gone]).await;
    let seen = FlagChange::Add(Flags::new(["\\Seen"]));
    // Also out of order and twice.
    let uids = [uid(9), uid(3), gone, uid(1), uid(3)];
    let answer = inbox.set(&uids, seen.clone(), None).await.unwrap();
    let answered: Vec<Uid> = answer.iter().map(|message| message.uid).collect();
    assert_eq!(answered, [uid(1), uid(3)]);
    assert!(
        inbox
            .set(&[gone], seen.clone(), None)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(inbox.set(&[], seen, None).await.unwrap().is_empty());
}

pub(crate) async fn flags_that_cannot_be_are_refused(place: Place) {
    let inbox = Inbox::in_place(&place).await;
    let one = append_with(&inbox.store, inbox.jane, inbox.id, &["a"], b"")
        .await
        .uid;
    for flag in ["", "a b", "a\nb", "a\0"] {
        let refused = inbox
            .set(&[one], FlagChange::Add(Flags::new([flag])), None)
            .await;
        assert_refused!(refused, StoreError::BadName { .. });
    }
    let long = FlagChange::Replace(Flags::new(["x".repeat(256)]));
    let refused = inbox.set(&[one], long, None).await;
    assert_refused!(refused, StoreError::TooLarge { limit: 255, .. });
    let many = |count: u32| Flags::new((0..count).map(|n| format!("k{n}")));
    let refused = inbox.set(&[one], FlagChange::Add(many(128)), None).await;
    assert_refused!(refused, StoreError::TooLarge { limit: 128, .. });
    assert_eq!(inbox.flags(one).await, ["a"]);
    inbox
        .set(&[one], FlagChange::Replace(many(128)), None)
        .await
        .unwrap();
    assert_eq!(inbox.flags(one).await.len(), 128);
}

pub(crate) async fn messages_marked_deleted_are_listed(place: Place) {
    let inbox = Inbox::in_place(&place).await;
    let marked = async |store: &Stores| {
        let marked = store.mail.marked_deleted(inbox.jane, inbox.id).await;
        marked.unwrap()
    };
    assert_eq!(marked(&inbox.store).await, []);
    for flags in [
        &["\\Deleted"][..],
        &["Deleted", "\\Seen"],
        &["a", "\\deleted", "z"],
    ] {
        append_with(&inbox.store, inbox.jane, inbox.id, flags, b"").await;
    }
    assert_eq!(marked(&inbox.store).await, [uid(1), uid(3)]);
    let deleted = Flags::new(["\\Deleted"]);
    let change = FlagChange::Add(deleted.clone());
    inbox.set(&[uid(2)], change, None).await.unwrap();
    let change = FlagChange::Remove(deleted);
    inbox.set(&[uid(3)], change, None).await.unwrap();
    expunge(&inbox.store, inbox.jane, inbox.id, &[uid(1)]).await;
    let store = place.reopen(inbox.store.clone()).await;
    assert_eq!(marked(&store).await, [uid(2)]);
    let nowhere = store
        .mail
        .marked_deleted(inbox.jane, MailboxId(999_999))
        .await;
    assert_refused!(nowhere, StoreError::NotFound { .. });
}
