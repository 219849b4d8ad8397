//! The trace that a request belongs to: W3C Trace Context (`traceparent`, `tracestate`).

use std::num::NonZeroU64;

use pounce_asgi::RequestHead;

use crate::hex;

/// The name of the field.
const TRACEPARENT: &[u8] = b"traceparent";

/// The name of the field with what vendors add.
const TRACESTATE: &[u8] = b"tracestate";

/// The flag of a trace that somebody records.
const SAMPLED: u8 = 1;

/// The server's part in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: [u8; 16],
    /// The server's span: the parent of what the application does.
    pub span: [u8; 8],
    /// Whoever has sent the request; `None` for a trace that begins here.
    pub parent: Option<[u8; 8]>,
    /// The flags, of which [`is_sampled`](Self::is_sampled) is one.
    pub flags: u8,
}

impl TraceContext {
    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Joins the trace that the request names, or begins one, and makes the server's span the parent of what the application
    /// does. One of `one_in` traces that begin here is recorded.
    pub(crate) fn enter(head: &mut RequestHead, one_in: NonZeroU64) -> Self {
        let told = {
            let mut fields = head.fields().get_all(TRACEPARENT);
            let first = fields.next();
            first.filter(|_| fields.next().is_none()).and_then(parse)
        };
        let span = fastrand::u64(1..).to_be_bytes();
        let context = match told {
            Some((trace, parent, flags)) => Self { trace, span, parent: Some(parent), flags },
            None => {
                // It belongs to the trace that its `traceparent` names.
                head.remove(TRACESTATE);
                let is_sampled = fastrand::u64(..one_in.get()) == 0;
                let flags = if is_sampled { SAMPLED } else { 0 };
                Self { trace: fastrand::u128(1..).to_be_bytes(), span, parent: None, flags }
            }
        };
        head.set(TRACEPARENT, &context.format());
        context
    }

    /// As the field.
    fn format(&self) -> [u8; 55] {
        let mut text = *b"00-................................-................-..";
        hex::write(&mut text[3..35], &self.trace);
        hex::write(&mut text[36..52], &self.span);
        hex::write(&mut text[53..], &[self.flags]);
        text
    }
}

/// The trace, the parent and the flags of a field, unless it is malformed. Later versions may add to it.
fn parse(field: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let [version] = hex::read(field.get(..2)?)?;
    let has_more = field.len() > 55;
    let is_whole = field.len() == 55 || version > 0 && has_more && field[55] == b'-';
    if version == 0xff || !is_whole || [2, 35, 52].iter().any(|at| field[*at] != b'-') {
        return None;
    }
    let (trace, parent, [flags]) =
        (hex::read(&field[3..35])?, hex::read(&field[36..52])?, hex::read(&field[53..55])?);
    // Of the flags of later versions only this one is known.
    (trace != [0; 16] && parent != [0; 8]).then_some((trace, parent, flags & SAMPLED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: NonZeroU64 = NonZeroU64::MIN;

    const FIELD: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn head(fields: &[&[u8]]) -> RequestHead {
        let mut head = RequestHead::default();
        for field in fields {
            head.push(TRACEPARENT, field);
        }
        head
    }

    #[test]
    fn a_trace_is_joined_and_handed_on_with_the_server_as_the_parent() {
        let mut request = head(&[FIELD]);
        let context = TraceContext::enter(&mut request, ALL);
        assert_eq!(context.parent, Some([0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]));
        assert!(context.is_sampled());
        let handed_on: Vec<_> = request.fields().get_all(TRACEPARENT).collect();
        assert_eq!(handed_on, [&context.format()[..]]);
        let (trace, parent, flags) = parse(handed_on[0]).expect("well formed");
        assert_eq!((trace, parent, flags), (context.trace, context.span, 1));
        assert_eq!(&context.format()[..36], &FIELD[..36]);
    }

    #[test]
    fn what_vendors_add_is_handed_on_only_with_its_trace() {
        for (field, handed_on) in [(FIELD, 1), (b"malformed", 0)] {
            let mut request = head(&[field]);
            request.push(TRACESTATE, b"vendor=1");
            TraceContext::enter(&mut request, ALL);
            assert_eq!(request.fields().get_all(TRACESTATE).count(), handed_on);
        }
    }

    #[test]
    fn what_is_malformed_begins_a_new_trace() {
        for field in [
            &b""[..],
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            b"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(field), None, "{}", field.escape_ascii());
        }
        assert!(parse(b"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").is_some());
        let twice = TraceContext::enter(&mut head(&[FIELD, FIELD]), ALL);
        assert_eq!(twice.parent, None);
        let none = TraceContext::enter(&mut head(&[]), ALL);
        assert!(none.parent.is_none() && none.is_sampled() && none.trace != twice.trace);
    }

    #[test]
    fn a_share_of_the_traces_that_begin_here_is_recorded() {
        let one_in = NonZeroU64::new(4).expect("not zero");
        let is_sampled = |fields: &[&[u8]]| TraceContext::enter(&mut head(fields), one_in).is_sampled();
        let recorded = (0..4000).filter(|_| is_sampled(&[])).count();
        // The chance of a count outside is below 1e-12.
        assert!((700..1300).contains(&recorded), "{recorded}");
        assert!((0..100).all(|_| is_sampled(&[FIELD])), "its client has decided");
    }

    #[test]
    fn a_trace_that_nobody_records_is_handed_on_as_that() {
        let field = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02";
        let context = TraceContext::enter(&mut head(&[field]), ALL);
        assert!(!context.is_sampled());
        assert!(context.format().ends_with(b"-00"));
    }
}
