//! The behaviour that every engine promises, one function a promise. An engine's
//! tests call [`run`]; a promise that is broken panics, and its name was printed
//! just before.

mod cluster;
mod listings;
mod owners;
mod records;

use std::sync::Arc;

use async_trait::async_trait;

use manager_protocol::store::Store;

/// An empty place for a store.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens the store there. Opened again, after every handle of the last time is
    /// gone, it holds what was acknowledged until then.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Runs every promise, each in a place of its own.
pub async fn run<P: Place>(make: impl Fn() -> P) {
    macro_rules! promises {
        ($($group:ident :: $promise:ident),* $(,)?) => {$(
            println!("promise {}", stringify!($promise));
            $group::$promise(&make()).await;
        )*};
    }
    promises! {
        records::what_was_inserted_is_read_back_in_full,
        records::a_name_is_inserted_once_and_the_loser_sees_the_winner,
        records::of_many_concurrent_inserts_of_one_name_one_wins,
        records::names_that_differ_in_case_or_normalisation_are_two_files,
        records::a_swap_needs_the_name_the_id_and_the_rev_before,
        records::of_many_concurrent_swaps_of_one_rev_one_wins,
        records::a_chain_of_concurrent_changes_loses_none,
        records::a_remove_needs_the_id_and_the_rev,
        records::a_removed_name_can_be_taken_anew_and_the_old_id_stays_powerless,
        records::a_record_that_lists_no_counting_copy_is_refused,
        records::all_that_was_acknowledged_is_there_after_reopening,
        listings::a_page_is_in_byte_order_and_leaves_pending_out,
        listings::pages_follow_one_another_without_gap_or_repeat,
        listings::a_cursor_survives_the_deletion_of_its_name_and_of_others,
        listings::a_prefix_is_matched_by_bytes_to_its_very_end,
        listings::a_cursor_outside_the_prefix_neither_skips_nor_leaks,
        listings::a_limit_of_nothing_gives_nothing,
        listings::unsettled_follows_every_change_of_state,
        listings::listed_on_follows_every_copy_in_any_state,
        listings::nodes_whose_ids_begin_alike_are_not_mixed_up,
        listings::totals_count_visible_files_and_their_bytes,
        listings::steps_of_a_count_add_up_and_end,
        listings::many_names_are_looked_up_at_once,
        owners::an_owners_sum_follows_its_records,
        owners::a_quota_is_kept_to_the_file_and_to_the_byte,
        owners::of_many_at_once_no_more_than_the_quota_get_in,
        owners::a_sum_that_is_right_stays_as_it_is,
        cluster::a_new_store_has_a_cluster_id_of_its_own_and_keeps_it,
        cluster::the_cluster_id_changes_only_while_there_are_no_records,
        cluster::a_rebuild_is_remembered,
        cluster::the_first_key_of_links_is_kept,
        cluster::a_node_row_changes_by_compare_and_swap,
        cluster::a_node_row_is_removed_by_compare_and_swap,
        cluster::the_lease_is_taken_only_as_it_was_seen,
        cluster::only_the_holder_of_the_lease_as_it_is_renews_it,
        cluster::of_many_who_take_the_lease_one_gets_it,
        cluster::operations_are_counted_and_the_queue_is_empty_in_the_end,
    }
}

/// Inserts a record that must not exist yet.
async fn add(store: &dyn Store, record: &manager_protocol::store::Record) {
    let outcome = store.insert(record.clone()).await.expect("insert");
    assert_eq!(
        outcome,
        manager_protocol::store::Insert::Inserted,
        "{:?}",
        record.name
    );
}

/// Swaps a record that must be as it was.
async fn change(store: &dyn Store, new: &manager_protocol::store::Record) {
    let outcome = store.swap(new.clone()).await.expect("swap");
    assert_eq!(
        outcome,
        manager_protocol::store::Swap::Done,
        "{:?}",
        new.name
    );
}

/// Removes a record that must be as given.
async fn remove(store: &dyn Store, record: &manager_protocol::store::Record) {
    let outcome = store
        .remove(&record.name, record.id, record.rev)
        .await
        .expect("remove");
    assert_eq!(
        outcome,
        manager_protocol::store::Swap::Done,
        "{:?}",
        record.name
    );
}
