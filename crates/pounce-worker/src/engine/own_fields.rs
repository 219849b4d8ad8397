//! The fields that the server adds to the responses of applications, in the form each version of HTTP needs.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderName, HeaderValue};

use crate::Settings;
use crate::http1::ResponseContext;

/// The server's fields: `date`, `server`, and the operator's.
pub(crate) struct OwnFields {
    date: RefCell<DateLine>,
    date_header: bool,
    server: Vec<u8>,
    extra: Vec<u8>,
    extra_values: Vec<(HeaderName, HeaderValue)>,
}

impl OwnFields {
    pub(super) fn new(settings: &Settings) -> Self {
        let given =
            |wanted: &str| settings.http.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let server = if settings.http.server_header && !given("server") {
            b"server: pounce\r\n".to_vec()
        } else {
            Vec::new()
        };
        let date_header = settings.http.date_header && !given("date");
        let mut extra = Vec::new();
        let values = settings.http.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
        });
        let extra_values = values.collect();
        for (name, value) in &settings.http.headers {
            extra.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        Self { date: RefCell::default(), date_header, server, extra, extra_values }
    }

    /// The value of `date`, if responses have one.
    pub(crate) fn date(&self, now: Instant) -> Option<HeaderValue> {
        if !self.date_header {
            return None;
        }
        let mut date = self.date.borrow_mut();
        date.at(now);
        date.value.clone()
    }

    /// The value of `server`, if responses have one.
    pub(crate) fn server(&self) -> Option<HeaderValue> {
        (!self.server.is_empty()).then(|| HeaderValue::from_static("pounce"))
    }

    /// Fields that the operator adds to every response.
    pub(crate) fn extra(&self) -> &[(HeaderName, HeaderValue)] {
        &self.extra_values
    }

    /// Calls `with` with the context of a response.
    pub(crate) fn with_context<R>(
        &self,
        now: Instant,
        close: bool,
        with: impl FnOnce(ResponseContext<'_>) -> R,
    ) -> R {
        let mut date = self.date.borrow_mut();
        let date = if self.date_header { date.at(now) } else { &[] };
        with(ResponseContext { date, server: &self.server, extra: &self.extra, close })
    }
}

/// The line `date: …`, renewed once a second.
#[derive(Default)]
struct DateLine {
    line: Vec<u8>,
    /// The same for HTTP/2.
    value: Option<HeaderValue>,
    valid_until: Option<Instant>,
}

impl DateLine {
    fn at(&mut self, now: Instant) -> &[u8] {
        if self.valid_until.is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            let into_second =
                time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            let left = Duration::from_nanos(u64::from(1_000_000_000 - into_second));
            self.valid_until = Some(now + left);
            let date = httpdate::fmt_http_date(time);
            self.line = format!("date: {date}\r\n").into_bytes();
            self.value = HeaderValue::try_from(date).ok();
        }
        &self.line
    }
}
