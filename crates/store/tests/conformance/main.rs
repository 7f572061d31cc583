//! What every engine of the store has to do, trait by trait.
//!
//! A law is an async function that gets a [`Place`]: an empty folder and an engine that opens stores there.
//! To put another engine under the laws: implement [`Engine`] and add a line to `engines!`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

mod accounts;
mod grants;
mod leases;
mod life;
mod logins;
mod mail;
mod queue;
#[path = "../steps/mod.rs"]
mod steps;
mod wakeups;

use std::path::Path;
use std::sync::Arc;

use mail::{appending, changes, delivering, flags, mailboxes, reading, snapshots};
use pillarbox_store::{AccountId, EmbeddedOptions, EmbeddedStore, MailboxId, Stores};

/// A way to have stores.
trait Engine: Sync {
    /// Opens the store in a folder; makes it if the folder is empty.
    fn open(&self, folder: &Path) -> Stores;
}

/// Where a law is tried.
struct Place {
    engine: &'static dyn Engine,
    folder: tempfile::TempDir,
}

impl Place {
    fn open(&self) -> Stores {
        self.engine.open(self.folder.path())
    }

    /// A store with one account.
    async fn with_jane(&self) -> (Stores, AccountId) {
        let store = self.open();
        let jane = steps::create_account(&store, "jane@example.org").await;
        (store, jane)
    }

    /// A store with one account, and its INBOX.
    async fn with_inbox(&self) -> (Stores, AccountId, MailboxId) {
        let (store, jane) = self.with_jane().await;
        let inbox = steps::mailbox(&store, jane, "INBOX").await.id;
        (store, jane, inbox)
    }

    /// Closes a store and opens it again.
    async fn reopen(&self, store: Stores) -> Stores {
        store.close().await;
        drop(store);
        self.open()
    }
}

fn run<F: Future<Output = ()>>(engine: &'static dyn Engine, law: impl FnOnce(Place) -> F) {
    let place = Place {
        engine,
        folder: tempfile::tempdir().unwrap(),
    };
    steps::runtime().block_on(law(place));
}

struct Embedded;

impl Engine for Embedded {
    fn open(&self, folder: &Path) -> Stores {
        let options = EmbeddedOptions {
            shards: 2,
            // Small, so that the laws meet the ends of segments.
            segment_size: 256 << 10,
        };
        Stores::of(&Arc::new(EmbeddedStore::open(folder, options).unwrap()))
    }
}

/// The refusal's variant, and nothing but it.
macro_rules! assert_refused {
    ($result:expr, $refusal:pat) => {
        match $result {
            Err($refusal) => {}
            other => panic!("instead of {}: {other:?}", stringify!($refusal)),
        }
    };
}
use assert_refused;

macro_rules! laws {
    ($engine:expr; $($file:ident: $($law:ident)*;)*) => {
        $(mod $file {
            $(#[test]
            fn $law() {
                super::super::run(&$engine, crate::$file::$law);
            })*
        })*
    };
}

macro_rules! engines {
    ($($name:ident: $engine:expr;)*) => {
        $(mod $name {
            laws! {
                $engine;
                accounts:
                    an_account_is_found_by_its_address_in_any_case
                    an_address_is_given_once
                    of_many_who_want_an_address_one_gets_it
                    an_address_that_is_none_is_refused
                    a_new_account_has_its_mailboxes
                    accounts_are_listed_by_address
                    accounts_come_page_by_page
                    of_many_who_move_a_ladder_one_does
                    new_verifiers_replace_the_old_and_end_the_exposure
                    the_ladder_is_kept_on_every_rung
                    a_deleted_account_is_gone_and_its_neighbour_is_not
                    what_is_asked_of_no_account_is_not_found;
                mailboxes:
                    inbox_is_found_in_any_case
                    a_mailbox_is_made_with_those_above_it
                    a_mailbox_that_is_there_is_not_made_again
                    names_that_cannot_be_used_are_refused
                    names_of_any_script_can_be_used
                    a_renamed_mailbox_keeps_all_and_takes_those_below_along
                    renames_that_cannot_be
                    renaming_inbox_moves_its_messages
                    a_deleted_mailbox_leaves_those_below_it
                    a_mailbox_made_again_is_another
                    subscriptions_are_kept
                    counts_follow_the_messages
                    a_mailbox_that_is_not_there_is_not_found;
                appending:
                    content_of_every_size_comes_back
                    a_spool_can_be_read_while_it_grows
                    many_go_in_together_and_in_order
                    all_go_in_or_none
                    dates_offsets_flags_and_structure_are_kept
                    the_limits_of_structure_and_flags
                    a_spool_dropped_unfinished_leaves_nothing
                    nothing_is_lost_among_many_writers
                    an_empty_append_is_nothing;
                delivering:
                    each_account_has_the_message_as_its_own
                    the_same_delivery_again_delivers_nothing
                    many_who_deliver_the_same_deliver_it_once
                    each_recipient_has_an_answer_of_its_own;
                snapshots:
                    all_who_look_share_one_list
                    lists_are_right_while_many_write
                    a_mailbox_is_opened_with_all_that_a_session_needs
                    changes_come_in_pieces
                    others_get_in_between_the_slices_of_a_long_operation
                    a_name_that_is_taken_while_its_mailbox_is_deleted_is_another_mailbox;
                reading:
                    ranges_give_each_message_once_and_in_order
                    a_body_is_read_from_anywhere
                    a_body_held_outlives_its_message
                    content_belongs_to_its_account
                    what_is_not_there_is_not_found;
                flags:
                    flags_are_replaced_added_and_removed
                    flags_ignore_case_and_keep_their_first_spelling
                    what_does_not_change_keeps_its_modseq
                    unchanged_since_protects_later_changes
                    messages_that_are_gone_are_passed_over
                    messages_marked_deleted_are_listed
                    flags_that_cannot_be_are_refused;
                changes:
                    expunge_answers_what_it_removed
                    the_history_of_a_mailbox_is_told_from_any_point
                    uids_of_expunged_messages_are_never_given_again
                    a_copy_has_flags_date_and_content_of_its_original
                    a_copy_into_the_same_mailbox_is_another_message
                    a_move_leaves_nothing_behind
                    a_replacement_is_one_change_or_none
                    a_copy_to_nowhere_is_refused_whole
                    modseqs_ascend_over_the_whole_account;
                wakeups:
                    every_change_wakes
                    a_wake_up_says_how_far_the_mailbox_has_got
                    other_accounts_do_not_wake
                    who_does_not_look_is_told_that_it_lags
                    a_watch_ends_with_the_store;
                grants:
                    a_grant_is_kept_until_it_is_replaced_or_revoked
                    a_grant_ends_by_itself;
                life:
                    a_store_opened_again_has_everything
                    a_store_dropped_without_close_has_everything
                    a_closed_store_refuses_everything
                    what_was_under_way_when_the_store_closed_is_whole;
                logins:
                    records_come_newest_first_by_account_and_up_to_a_limit
                    a_record_keeps_all_it_says
                    what_strangers_say_is_cut
                    every_outcome_is_kept
                    every_listener_and_mechanism_is_kept;
                queue:
                    each_recipient_is_one_workers_at_a_time
                    the_same_message_is_queued_once
                    a_deadline_that_passed_gives_the_item_to_another
                    what_is_tried_again_waits_for_its_time
                    what_ended_is_over_and_says_how
                    what_nobody_settled_is_leased_again_after_a_restart
                    one_content_is_read_by_all
                    the_longest_due_come_first_and_items_page_by_page
                    messages_that_cannot_be_queued
                    what_ended_long_ago_is_forgotten
                    who_waits_for_the_queue_is_woken;
                leases:
                    a_maildrop_has_one_holder_at_a_time
                    a_lease_runs_out_unless_it_is_renewed
                    a_lease_does_not_outlive_its_process;
            }
        })*
    };
}

engines! {
    embedded: crate::Embedded;
}
