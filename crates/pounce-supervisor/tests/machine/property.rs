//! Rules that hold for any events in any order.

use std::num::NonZeroU64;
use std::time::Duration;

use pounce_supervisor::{Policy, Status};
use proptest::prelude::*;

use crate::harness::{busy, idle};
use crate::play::{Play, Rule, Step};

fn policies() -> impl Strategy<Value = Policy> {
    let numbers = (1..5usize, any::<bool>(), 0..6usize, 1..40u64, 0..12u64, 0..6u64);
    let limits = (
        prop::option::of(1..40u64),
        prop::option::of(1..5u64),
        prop::option::of(1..200u64),
        prop::option::of(Just(1)),
        0..30u64,
        any::<u64>(),
    );
    (numbers, limits).prop_map(|(numbers, limits)| {
        let (workers, killable, respawn_limit, startup, drain, shutdown) = numbers;
        let (healthcheck, requests, lifetime, max_rss, jitter, seed) = limits;
        Policy {
            workers,
            killable,
            respawn_limit,
            startup_timeout: Duration::from_secs(startup),
            drain_timeout: Duration::from_secs(drain),
            shutdown_timeout: Duration::from_secs(shutdown),
            healthcheck: healthcheck.map(Duration::from_secs),
            max_requests: requests.and_then(NonZeroU64::new),
            max_requests_jitter: jitter,
            lifetime: lifetime.map(Duration::from_secs),
            lifetime_jitter: Duration::from_secs(jitter),
            max_rss,
            seed,
            ..Policy::default()
        }
    })
}

fn statuses() -> impl Strategy<Value = Status> {
    let spent = pounce_supervisor::Heartbeat { busy: false, requests: 1000, rss: 1 << 40 };
    prop_oneof![
        1 => Just(Status::Started),
        4 => Just(Status::Serving),
        1 => Just(Status::Draining),
        1 => Just(Status::Idle),
        1 => Just(Status::Stopped),
        1 => Just(Status::Error { detail: "an error".into() }),
        1 => Just(Status::Heartbeat(idle())),
        1 => Just(Status::Heartbeat(busy())),
        1 => Just(Status::Heartbeat(spent)),
    ]
}

fn times() -> impl Strategy<Value = Duration> {
    prop_oneof![0..3_000u64, 0..20_000u64, 0..120_000u64].prop_map(Duration::from_millis)
}

fn steps() -> impl Strategy<Value = Step> {
    let any_worker = any::<prop::sample::Index>;
    prop_oneof![
        6 => times().prop_map(Step::Wait),
        2 => times().prop_map(Step::Oversleep),
        12 => (any_worker(), statuses()).prop_map(|(worker, status)| Step::Says(worker, status)),
        6 => any_worker().prop_map(Step::Ends),
        6 => Just(Step::AllServe),
        2 => Just(Step::AllEndAsTold),
        1 => any_worker().prop_map(Step::Stray),
        4 => prop::bool::weighted(0.8).prop_map(Step::Prepared),
        3 => Just(Step::Released),
        3 => Just(Step::Reload),
        2 => Just(Step::ScaleUp),
        2 => Just(Step::ScaleDown),
    ]
}

/// How a play ends: stopped, and then what answers.
#[derive(Debug, Clone, Copy)]
struct Ending {
    workers_end: bool,
    prepares: bool,
}

/// Mostly a start that succeeds, and then anything.
fn lives() -> impl Strategy<Value = Vec<Step>> {
    let start = prop_oneof![
        5 => Just(vec![Step::Prepared(true), Step::AllServe]),
        1 => Just(vec![Step::Prepared(true)]),
        1 => Just(vec![]),
    ];
    (start, prop::collection::vec(steps(), 0..80)).prop_map(|(start, then)| [start, then].concat())
}

fn endings() -> impl Strategy<Value = Ending> {
    any::<(bool, bool)>().prop_map(|(workers_end, prepares)| Ending { workers_end, prepares })
}

/// Plays `steps`, stops, plays `more`, and waits for the end. Returns every breach of the rule.
fn broken(rule: Rule, mut policy: Policy, steps: &[Step], more: &[Step], ending: Ending) -> Vec<String> {
    if rule == Rule::Unsettled {
        // Workers that keep reaching their age would never let it settle.
        policy.lifetime = None;
    }
    let mut play = Play::new(policy);
    for step in steps {
        play.step(step);
    }
    if rule == Rule::Unsettled {
        play.settle();
    }
    play.shutdown();
    for step in more {
        play.step(step);
    }
    play.finish(ending.workers_end, ending.prepares);
    for step in steps.iter().take(5) {
        play.step(step);
    }
    play.broken(rule)
}

macro_rules! always {
    ($($name:ident: $rule:ident,)*) => {
        proptest! {
            #![proptest_config(ProptestConfig {
                cases: 1000,
                failure_persistence: None,
                ..ProptestConfig::default()
            })]
            $(
                #[test]
                fn $name(
                    policy in policies(),
                    steps in lives(),
                    more in prop::collection::vec(steps(), 0..8),
                    ending in endings(),
                ) {
                    let broken = broken(Rule::$rule, policy, &steps, &more, ending);
                    prop_assert!(broken.is_empty(), "{}", broken.join("\n"));
                }
            )*
        }
    };
}

always! {
    there_are_never_more_workers_than_asked_for_plus_one_generation: Crowd,
    no_slot_is_restarted_beyond_its_budget: Budget,
    nothing_is_spawned_after_a_stop: SpawnAfterStop,
    a_stop_always_comes_to_an_end: Endless,
    what_is_due_is_done_when_it_is_due: StaysDue,
    nothing_happens_after_the_exit: AfterExit,
    once_all_behave_every_slot_is_served_by_one_generation: Unsettled,
    a_generation_is_given_back_once_and_only_without_workers: Release,
}
