//! Every story of the suite, for every implementation.

use crate::world::{Kind, World};

macro_rules! stories {
    ($($story:path as $name:ident),* $(,)?) => {
        mod opensearch { $(#[tokio::test] async fn $name() { $story(super::World::open(super::Kind::OpenSearch).await).await; })* }
        mod pooled { $(#[tokio::test] async fn $name() { $story(super::World::open(super::Kind::Pooled).await).await; })* }
        mod embedded { $(#[tokio::test] async fn $name() { $story(super::World::open(super::Kind::Embedded).await).await; })* }
    };
}

stories! {
    crate::pinned::pinned_queries as pinned_queries,
    crate::pinned::personal_words_are_masked as personal_words_are_masked,
    crate::writing::replays_change_nothing as replays_change_nothing,
    crate::writing::replays_change_nothing_among_many_tenants as replays_change_nothing_among_many_tenants,
    crate::writing::the_higher_version_wins as the_higher_version_wins,
    crate::writing::poison_is_refused_alone as poison_is_refused_alone,
    crate::writing::tenants_are_apart as tenants_are_apart,
    crate::paging::twenty_thousand as twenty_thousand,
    crate::paging::ties_in_time_are_in_order as ties_in_time_are_in_order,
    crate::random::counts_are_those_of_a_plain_count as counts_are_those_of_a_plain_count,
    crate::random::days_of_a_time_zone as days_of_a_time_zone,
    crate::random::absurd_histograms_are_refused as absurd_histograms_are_refused,
    crate::rebuild::a_lost_index_is_missed_and_rebuilt as a_lost_index_is_missed_and_rebuilt,
    crate::rebuild::the_next_index_is_beside_the_current_one as the_next_index_is_beside_the_current_one,
    crate::rebuild::a_rebuild_that_was_left_is_begun_anew as a_rebuild_that_was_left_is_begun_anew,
    crate::rebuild::a_rebuild_that_is_overtaken_ends as a_rebuild_that_is_overtaken_ends,
    crate::rebuild::the_placement_can_change as the_placement_can_change,
}

#[tokio::test]
async fn what_a_killed_rebuild_makes_comes_late() {
    for kind in [Kind::OpenSearch, Kind::Pooled] {
        crate::rebuild::what_a_killed_rebuild_makes_comes_late(World::open(kind).await).await;
    }
}

#[tokio::test]
async fn of_two_that_begin_at_once_one_is_switched_to() {
    let world = World::open(Kind::Pooled).await;
    crate::rebuild::of_two_that_begin_at_once_one_is_switched_to(world).await;
}
