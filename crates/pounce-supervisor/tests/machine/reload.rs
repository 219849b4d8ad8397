//! Rolling reloads: one worker at a time, the new one first.

use pounce_supervisor::{Action, Command, Event, Notice, Policy, Status, WorkerId};

use crate::harness::{Done, Scene, seconds, threads, workers};

/// Requests a reload and prepares it. Returns the first worker of the new generation.
fn begin(scene: &mut Scene, generation: u32) -> WorkerId {
    assert_eq!(scene.tell(Event::Reload).0, [Action::Prepare(generation)]);
    let canary = scene.tell(Event::Prepared(generation)).one_spawned();
    assert_eq!(scene.generation(canary), generation);
    canary
}

/// Ends a worker of a slot until the slot is given up.
fn give_up(scene: &mut Scene, slot: u32) {
    loop {
        let worker = scene.at(slot);
        let done = scene.ends(worker);
        if done.has(&Action::CloseSlot(slot)) {
            return;
        }
        let (_, worker) = scene.until_spawned();
        scene.serve(worker);
    }
}

#[test]
fn workers_are_replaced_one_at_a_time_and_each_serves_before_the_old_one_drains() {
    for policy in [workers(3), threads(3)] {
        let mut scene = Scene::running(policy);
        let old: Vec<WorkerId> = (0..3).map(|slot| scene.at(slot)).collect();
        let mut new = begin(&mut scene, 1);
        for left in (0..3).rev() {
            let slot = scene.slot(new) as usize;
            assert_eq!(scene.says(new, Status::Started), Done::default());
            let mut done = scene.serve(new);
            assert_eq!(done.sent(), [(old[slot], Command::ReloadDrain)]);
            assert_eq!(done.tells(&Notice::Reloaded), left == 0, "{done:?}");
            done.0.extend(scene.drains(old[slot]).0);
            if left > 0 {
                new = done.one_spawned();
                assert_eq!(scene.generation(new), 1);
            } else {
                assert_eq!(done.0.last(), Some(&Action::Release(0)));
            }
        }
        assert_eq!(scene.tell(Event::Released(0)), Done::default());
        assert_eq!(scene.machine.deadline(), None);
    }
}

#[test]
fn the_next_worker_waits_for_the_one_before_to_serve() {
    let mut scene = Scene::running(workers(2));
    let canary = begin(&mut scene, 1);
    scene.says(canary, Status::Started);
    assert_eq!(scene.pass(seconds(20)), Done::default());
    assert_ne!(scene.serve(canary).one_spawned(), canary);
}

#[test]
fn a_generation_that_cannot_be_prepared_changes_nothing() {
    let mut scene = Scene::running(workers(2));
    assert_eq!(scene.tell(Event::Reload).0, [Action::Prepare(1)]);
    let done = scene.tell(Event::NotPrepared(1, "SyntaxError".into()));
    assert_eq!(done.0, [Action::Notify(Notice::ReloadFailed("SyntaxError".into()))]);
    let worker = scene.at(0);
    scene.ends(worker);
    let (_, next) = scene.until_spawned();
    assert_eq!(scene.generation(next), 0);
}

#[test]
fn when_the_first_new_worker_fails_the_old_ones_stay_and_the_new_generation_is_released() {
    for dies in [true, false] {
        let mut scene = Scene::running(workers(2));
        let canary = begin(&mut scene, 1);
        let mut done = if dies { Done::default() } else { scene.fails(canary, "exit code 9") };
        done.0.extend(scene.ends(canary).0);
        let failed = Action::Notify(Notice::ReloadFailed("exit code 9".into()));
        assert_eq!(done.0, [failed, Action::Release(1)]);
        assert_eq!(scene.tell(Event::Released(1)), Done::default());
        assert_eq!(scene.pass(seconds(600)), Done::default());
    }
}

#[test]
fn when_the_first_new_worker_does_not_serve_in_time_the_reload_has_failed() {
    let mut scene = Scene::running(workers(2));
    let canary = begin(&mut scene, 1);
    let (after, done) = scene.until(|action| matches!(action, Action::Terminate(_)));
    assert!(after >= Policy::default().startup_timeout, "{after:?}");
    assert!(done.has(&Action::Terminate(canary)), "{done:?}");
    assert!(matches!(done.notices()[..], [Notice::ReloadFailed(_)]), "{done:?}");
    assert_eq!(scene.ends(canary).0, [Action::Release(1)]);
}

#[test]
fn a_failed_reload_costs_no_restart() {
    let mut scene = Scene::running(Policy { respawn_limit: 1, ..workers(1) });
    let worker = scene.at(0);
    for generation in 1..5 {
        let canary = begin(&mut scene, generation);
        scene.ends(canary);
        scene.tell(Event::Released(generation));
    }
    assert!(matches!(scene.ends(worker).notices()[..], [Notice::Lost { slot: 0, .. }]));
}

/// Expects the worker not to be of that generation, or to be made to leave.
fn expect_leaves(scene: &mut Scene, mut done: Done, worker: WorkerId, generation: u32) {
    if scene.generation(worker) == generation {
        done.0.extend(scene.serve(worker).0);
        done.0.extend(scene.pass(seconds(20)).0);
        let told = done.sent().iter().any(|(told, _)| *told == worker);
        assert!(told || done.has(&Action::Terminate(worker)), "it stays: {done:?}");
    }
}

#[test]
fn a_lost_worker_that_came_back_as_a_new_one_leaves_when_the_reload_fails() {
    let mut scene = Scene::running(workers(3));
    let lost = scene.at(2);
    let canary = begin(&mut scene, 1);
    scene.ends(lost);
    let (_, back) = scene.until_spawned();
    let done = scene.ends(canary);
    assert!(done.tells(&Notice::ReloadFailed("exit code 9".into())), "{done:?}");
    expect_leaves(&mut scene, done, back, 1);
}

#[test]
fn slots_that_were_revived_do_not_keep_the_new_generation_when_the_reload_fails() {
    let mut scene = Scene::running(Policy { respawn_limit: 0, ..workers(3) });
    give_up(&mut scene, 1);
    give_up(&mut scene, 2);
    scene.tell(Event::Reload);
    let revived = scene.tell(Event::Prepared(1)).spawned();
    let (canary, others) = revived.split_first().expect("a slot is revived");
    scene.ends(*canary);
    for other in others {
        expect_leaves(&mut scene, Done::default(), *other, 1);
    }
}

#[test]
fn reloads_asked_for_during_a_reload_are_one_more_after_it() {
    let mut scene = Scene::running(workers(1));
    let first = scene.at(0);
    let second = begin(&mut scene, 1);
    for _ in 0..3 {
        assert_eq!(scene.tell(Event::Reload), Done::default());
    }
    let done = scene.serve(second);
    assert!(done.tells(&Notice::Reloaded) && done.has(&Action::Prepare(2)), "{done:?}");
    scene.drains(first);
    let third = scene.tell(Event::Prepared(2)).one_spawned();
    assert_eq!(scene.generation(third), 2);
    let done = scene.serve(third);
    assert!(done.tells(&Notice::Reloaded) && !done.has(&Action::Prepare(3)), "{done:?}");
    assert_eq!(scene.drains(second).0, [Action::Release(1)]);
}

#[test]
fn a_reload_asked_for_during_one_that_fails_is_done_after_it() {
    let mut scene = Scene::running(workers(1));
    let canary = begin(&mut scene, 1);
    scene.tell(Event::Reload);
    assert!(scene.ends(canary).has(&Action::Prepare(2)));
    scene.tell(Event::Reload);
    assert!(scene.tell(Event::NotPrepared(2, "SyntaxError".into())).has(&Action::Prepare(3)));
}

#[test]
fn a_reload_asked_for_at_the_beginning_is_done_once_all_serve() {
    let mut scene = Scene::new(workers(1));
    assert_eq!(scene.tell(Event::Reload), Done::default());
    let worker = scene.tell(Event::Prepared(0)).one_spawned();
    assert_eq!(scene.serve(worker).0, [Action::Notify(Notice::Ready), Action::Prepare(1)]);
}

#[test]
fn a_reload_revives_slots_that_were_given_up_with_a_new_budget() {
    let mut scene = Scene::running(workers(2));
    give_up(&mut scene, 1);
    scene.tell(Event::Reload);
    let revived = scene.tell(Event::Prepared(1)).spawned();
    let revived = *revived.iter().find(|worker| scene.slot(**worker) == 1).expect("it is revived");
    assert_eq!(scene.generation(revived), 1);
    scene.serve(revived);
    let other = scene.at(0);
    let done = scene.serve(other);
    assert!(done.tells(&Notice::Reloaded), "{done:?}");
    let lost = scene.ends(revived);
    assert!(matches!(lost.notices()[..], [Notice::Lost { slot: 1, .. }]), "{lost:?}");
}

#[test]
fn a_generation_is_released_only_when_no_worker_of_it_is_left() {
    let mut scene = Scene::running(workers(2));
    let old = [0, 1].map(|slot| scene.at(slot));
    let canary = begin(&mut scene, 1);
    let last = scene.serve(canary).one_spawned();
    assert!(scene.serve(last).tells(&Notice::Reloaded));
    assert_eq!(scene.drains(old[1]), Done::default());
    scene.says(old[0], Status::Draining);
    scene.says(old[0], Status::Idle);
    assert_eq!(scene.pass(seconds(20)), Done::default());
    assert_eq!(scene.ends(old[0]).0, [Action::Release(0)]);
}

#[test]
fn an_old_worker_that_does_not_drain_in_time_is_ended_by_force() {
    let mut scene = Scene::running(workers(1));
    let old = scene.at(0);
    let new = begin(&mut scene, 1);
    scene.serve(new);
    let (after, done) = scene.until(|action| matches!(action, Action::Kill(_)));
    assert!(after >= Policy::default().drain_timeout, "{after:?}");
    assert_eq!(done.0, [Action::Terminate(old), Action::Kill(old)]);
    assert_eq!(scene.ends(old).0, [Action::Release(0)]);
}

#[test]
fn a_later_worker_that_fails_is_tried_again_while_its_old_one_serves() {
    let mut scene = Scene::running(workers(2));
    let canary = begin(&mut scene, 1);
    let first_slot = scene.slot(canary) as usize;
    let old = [0, 1];
    let second = scene.serve(canary).one_spawned();
    scene.drains(old[first_slot]);
    let done = scene.fails(second, "no database");
    let slot = scene.slot(second);
    assert_eq!(done.0, [Action::Notify(Notice::NotReplaced { slot, how: "no database".into() })]);
    scene.ends(second);
    let (_, third) = scene.until_spawned();
    assert_eq!((scene.slot(third), scene.generation(third)), (slot, 1));
    let done = scene.serve(third);
    assert!(done.tells(&Notice::Reloaded), "{done:?}");
    assert_eq!(done.sent(), [(old[slot as usize], Command::ReloadDrain)]);
}

#[test]
fn a_worker_that_is_lost_during_a_proven_reload_comes_back_as_a_new_one() {
    let mut scene = Scene::running(workers(3));
    let canary = begin(&mut scene, 1);
    let next = scene.serve(canary).one_spawned();
    let third = (0..3).find(|slot| ![scene.slot(canary), scene.slot(next)].contains(slot)).expect("a third");
    let lost = scene.at(third);
    scene.ends(lost);
    let (_, back) = scene.until_spawned();
    assert_eq!((scene.slot(back), scene.generation(back)), (third, 1));
}
