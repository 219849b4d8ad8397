//! The table of options. One entry is one option; nothing else declares one.
//!
//! Aliases are the names that uvicorn, granian, gunicorn or hypercorn use for the same setting in the same unit. A
//! name in another unit is no alias: it is in the table of foreign options, with advice.

mod application;
mod limits;
mod network;
mod operation;

use std::time::Duration;

use super::{Kind, OptionSpec};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// A time that may be zero, which means at once or never.
const FROM_ZERO: Kind = Kind::Seconds { min: Duration::ZERO, max: DAY };
/// A time above zero: a deadline of zero would refuse everything.
const DEADLINE: Kind = Kind::Seconds { min: MILLISECOND, max: DAY };
const COMMAS: Kind = Kind::List { separator: ',' };

/// Every option, those of one subject together.
pub static OPTIONS: &[OptionSpec] = &{
    const PARTS: [&[OptionSpec]; 4] =
        [application::OPTIONS, network::OPTIONS, operation::OPTIONS, limits::OPTIONS];
    const COUNT: usize = PARTS[0].len() + PARTS[1].len() + PARTS[2].len() + PARTS[3].len();
    let mut all = [PARTS[0][0]; COUNT];
    let (mut part, mut at) = (0, 0);
    while part < PARTS.len() {
        let mut within = 0;
        while within < PARTS[part].len() {
            all[at] = PARTS[part][within];
            (within, at) = (within + 1, at + 1);
        }
        part += 1;
    }
    all
};
