//! The rates of the open load; `open.rs` has the reasons for them.

use super::super::servers::Role;

/// The rates, as shares of the base.
pub(super) const SHARES: [f64; 2] = [0.5, 0.8];

/// A rate that falls short of the intended one by more than this share is a miss, not an unlucky end of a run.
const SHORT: f64 = 0.01;

/// A core that is busy for this share of the time is saturated.
const FULL: f64 = 0.97;

/// The base: the capacity and the name of the slower of Pounce (its slowest build) and the best peer. The floor does
/// not count.
pub(super) fn base<'a>(capacities: &[(Role, f64, &'a str)]) -> Option<(f64, &'a str)> {
    let of = |role| capacities.iter().filter(move |one| one.0 == role).map(|one| (one.1, one.2));
    let by_capacity = |one: &(f64, &str), other: &(f64, &str)| one.0.total_cmp(&other.0);
    let slowest = of(Role::Pounce).min_by(by_capacity);
    let best = of(Role::Peer).max_by(by_capacity);
    slowest.into_iter().chain(best).min_by(by_capacity)
}

/// The message about a server that missed the rate. `busy` is the generator's share of busy time, `core` the share of
/// time during which the server was on its core.
pub(super) fn miss(asked: f64, achieved: f64, busy: f64, core: f64) -> Option<String> {
    if achieved >= asked * (1.0 - SHORT) {
        return None;
    }
    let why = if busy >= FULL {
        "the load generator had no time left, so the figures are its own".to_owned()
    } else if core >= FULL {
        "the server's core was full".to_owned()
    } else {
        format!("the server ran for {:.0} % of the time: other jobs had its core, or it waited", core * 100.0)
    };
    Some(format!("{achieved:.0} of {asked:.0} requests/s; {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_pounce_and_the_best_peer_is_the_measure() {
        let base = |pounce, peer| {
            base(&[
                (Role::Peer, 10.0, "slow"),
                (Role::Floor, 1.0, "floor"),
                (Role::Pounce, 99.0, "fast"),
                (Role::Pounce, pounce, "pounce"),
                (Role::Peer, peer, "best"),
            ])
        };
        assert_eq!(base(50.0, 60.0), Some((50.0, "pounce")));
        assert_eq!(base(50.0, 40.0), Some((40.0, "best")));
    }

    #[test]
    fn either_alone_is_its_own_measure() {
        assert_eq!(base(&[(Role::Pounce, 5.0, "pounce")]), Some((5.0, "pounce")));
        assert_eq!(base(&[(Role::Peer, 5.0, "a"), (Role::Peer, 7.0, "b")]), Some((7.0, "b")));
        assert_eq!(base(&[(Role::Floor, 5.0, "floor")]), None);
    }

    #[test]
    fn a_miss_says_who_could_not_do_more() {
        assert_eq!(miss(1000.0, 995.0, 1.0, 1.0), None);
        let miss = |busy, core| miss(1000.0, 900.0, busy, core).unwrap();
        assert!(miss(0.99, 1.0).contains("generator"));
        assert_eq!(miss(0.5, 0.99), "900 of 1000 requests/s; the server's core was full");
        assert!(
            miss(0.5, 0.4)
                .ends_with("the server ran for 40 % of the time: other jobs had its core, or it waited")
        );
    }
}
