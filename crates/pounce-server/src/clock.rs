//! Times in the formats of log lines, in UTC, and the clock that all processes share.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// The time of the monotonic clock, since some moment.
pub(crate) fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// `20/Nov/2026:18:26:40 +0000`, in UTC.
pub(crate) fn common_log_time(time: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, seconds) = civil(time);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{day:02}/{}/{year}:{hour:02}:{minute:02}:{second:02} +0000", MONTHS[month - 1])
}

/// `2026-11-20T18:26:39.000000Z`, the format of the server's log.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let (year, month, day, seconds) = civil(time);
    let micros = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_micros());
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Year, month, day and second of the day, in UTC: days since 1970 counted in eras of 400 years, whose years
/// begin in March.
fn civil(time: SystemTime) -> (u64, usize, u64, u64) {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month as usize, day, seconds % 86_400)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(rfc3339(at(0)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(at(951_782_400)), "2000-02-29T00:00:00.000000Z");
        assert_eq!(rfc3339(at(1_795_199_199)), "2026-11-20T18:26:39.000000Z");
        assert_eq!(common_log_time(at(1_795_199_199)), "20/Nov/2026:18:26:39 +0000");
    }
}
