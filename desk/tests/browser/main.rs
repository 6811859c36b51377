//! The page in a real browser: Chromium, driven by chromedriver through the requests of `WebDriver`.
//!
//! `cargo test -p desk --features browser --test browser` runs all; both programs must be on PATH. A name after `--`
//! chooses tests. `DESK_PICTURES=docs/pictures` before it makes the pictures of the README anew (test `pictures`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "a browser takes real time, and whoever runs the tests says what for")]

mod actions;
mod driver;
mod failures;
mod keyboard;
mod large;
mod live;
mod past;
mod pictures;
mod played;
mod real;
mod views;
mod world;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use driver::Driver;
use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Trial};
use world::World;

/// A browser has processes of its own, so more would only wait for each other.
const THREADS: usize = 2;

/// A test for each function that is named.
macro_rules! trials {
    ($driver:ident: $($module:ident { $($name:ident,)+ })+) => {
        vec![$($({
            let driver = Arc::clone(&$driver);
            Trial::test(concat!(stringify!($module), "::", stringify!($name)), move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut world = World::new(&driver).await;
                    let test = async {
                        $module::$name(&mut world).await;
                        world.is_clean().await;
                    };
                    let outcome = AssertUnwindSafe(test).catch_unwind().await;
                    // Else it outlives us.
                    world.browser.close().await;
                    world.stop_all();
                    outcome.unwrap_or_else(|panic| resume_unwind(panic));
                });
                Ok(())
            })
        },)+)+]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let driver = Arc::new(Driver::start());
    // The slowest come first, so that the others run beside them.
    let trials = trials! { driver:
        large {
            fifteen_hundred_batches_are_quick,
            ten_thousand_lines_come_in_pages,
        }
        views {
            a_product_shows_what_is_free_what_comes_and_who_waits,
            the_picture_is_a_table_too,
            an_order_shows_its_lines_in_words,
            a_batch_shows_its_counters_and_who_is_on_it,
            what_is_not_there_is_said_in_words,
            a_name_that_looks_like_markup_is_shown_as_it_is,
            any_name_can_be_looked_up_and_followed,
            no_view_is_wider_than_a_phone,
            dark_and_light_follow_the_system,
        }
        past {
            the_newest_comes_first_and_older_when_asked_for,
            a_hot_product_is_read_in_smaller_steps,
            what_is_not_kept_is_said,
            what_was_on_its_way_comes_by_itself,
            the_whole_past_tells_of_full_batches_and_of_what_is_held,
            a_service_without_history_says_so,
            an_orders_past_goes_over_its_products,
        }
        actions {
            a_line_is_allocated_and_the_answer_shown,
            a_refusal_keeps_what_was_typed,
            a_contended_product_can_be_tried_again,
            a_batch_is_added_and_changed,
            a_line_is_shipped,
            an_order_is_cancelled_only_after_a_question,
            a_desk_that_only_looks_has_no_forms,
        }
        failures {
            a_service_that_is_away_is_told_and_mended,
            a_request_that_is_not_let_in_is_explained,
            the_policy_is_in_force,
        }
        keyboard {
            all_is_reached_without_a_mouse,
            the_focus_moves_to_the_new_heading,
        }
        live {
            events_appear_by_themselves_and_a_lost_desk_is_told,
            a_desk_without_a_topic_says_how_to_get_it_and_shows_a_past_instead,
            mails_and_dead_letters_are_shown_with_their_reason,
        }
        real {
            a_walk_through_the_real_routes,
        }
        pictures {
            pictures,
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}
