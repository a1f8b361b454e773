//! How a trace goes from process to process: the W3C headers `traceparent` and `tracestate`,
//! in HTTP, in gRPC's metadata and in the messages of an exchange.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use proto::v1::TraceContext;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// The longest `tracestate` that is taken: what each span of a trace keeps of it.
const LONGEST_STATE: usize = 512;

/// The span that a caller names, as the one that others are parts of.
pub(super) fn remote(caller: &dyn Extractor) -> Option<Context> {
    if !caller.get(PARENT).is_some_and(is_well_formed) {
        return None;
    }
    let caller = Bounded(caller);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &caller);
    context.has_active_span().then_some(context)
}

/// What a caller says, without a state that is too long.
struct Bounded<'a>(&'a dyn Extractor);

impl Extractor for Bounded<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?;
        (key != STATE || value.len() <= LONGEST_STATE).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys()
    }
}

/// Whether a `traceparent` has the form of the specification: the library takes others too.
/// A later version may have more behind what this one has.
fn is_well_formed(text: &str) -> bool {
    const LENGTH: usize = 55;
    let form = |(at, byte): (usize, &u8)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    let bytes = text.as_bytes();
    let rest = bytes.get(LENGTH..);
    rest.is_some_and(|rest| rest.is_empty() || (!text.starts_with("00") && rest[0] == b'-'))
        && bytes.iter().enumerate().take(LENGTH).all(form)
}

/// The fields of an HTTP request.
pub struct Headers<'a>(pub &'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// What an operation of an exchange says of its trace.
pub struct Wire<'a>(pub Option<&'a TraceContext>);

impl Extractor for Wire<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let context = self.0?;
        match key {
            PARENT => Some(&context.parent),
            STATE => Some(&context.state),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

/// What an operation of an exchange has to say of the trace that is current.
pub fn to_wire() -> Option<TraceContext> {
    struct Into(TraceContext);
    impl Injector for Into {
        fn set(&mut self, key: &str, value: String) {
            match key {
                PARENT => self.0.parent = value,
                STATE => self.0.state = value,
                _ => {}
            }
        }
    }
    let mut into = Into(TraceContext::default());
    current_into(&mut into);
    (!into.0.parent.is_empty()).then_some(into.0)
}

/// Names the current span to whoever is called.
pub fn inject(metadata: &mut MetadataMap) {
    struct Into<'a>(&'a mut MetadataMap);
    impl Injector for Into<'_> {
        fn set(&mut self, key: &str, value: String) {
            let key = MetadataKey::<Ascii>::from_bytes(key.as_bytes());
            let value = (!value.is_empty()).then(|| value.parse::<MetadataValue<Ascii>>());
            if let (Ok(key), Some(Ok(value))) = (key, value) {
                self.0.insert(key, value);
            }
        }
    }
    current_into(&mut Into(metadata));
}

fn current_into(injector: &mut dyn Injector) {
    Context::map_current(|context| {
        if context.has_active_span() {
            TraceContextPropagator::new().inject_context(context, injector);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT_OF_TESTS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn wire(parent: &str) -> TraceContext {
        TraceContext {
            parent: parent.to_owned(),
            state: "vendor=1".to_owned(),
        }
    }

    #[test]
    fn a_malformed_parent_is_none() {
        for (text, taken) in [
            (PARENT_OF_TESTS, true),
            (
                "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                true,
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                false,
            ),
            (
                "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                false,
            ),
            (
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                false,
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                false,
            ),
            (
                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                false,
            ),
            ("00-1-2-01", false),
            ("", false),
        ] {
            assert_eq!(remote(&Wire(Some(&wire(text)))).is_some(), taken, "{text}");
        }
    }

    #[test]
    fn a_state_that_is_too_long_is_left_out() {
        for (length, passed_on) in [(500, true), (600, false)] {
            let mut caller = wire(PARENT_OF_TESTS);
            let long = "x".repeat(200);
            caller.state = format!("a={long},b={long},c={}", "y".repeat(length - 408));
            let taken = remote(&Wire(Some(&caller))).expect("well-formed");
            let _within = taken.attach();
            let sent = to_wire().expect("traced");
            assert_eq!(!sent.state.is_empty(), passed_on, "{length}");
        }
    }

    #[test]
    fn what_is_taken_is_passed_on() {
        assert_eq!(to_wire(), None, "nothing is traced");
        let taken = remote(&Wire(Some(&wire(PARENT_OF_TESTS)))).expect("well-formed");
        let _within = taken.attach();
        assert_eq!(to_wire(), Some(wire(PARENT_OF_TESTS)));
        let mut metadata = MetadataMap::new();
        inject(&mut metadata);
        let headers = metadata.into_headers();
        assert_eq!(Headers(&headers).get(PARENT), Some(PARENT_OF_TESTS));
        assert_eq!(Headers(&headers).get(STATE), Some("vendor=1"));
    }
}
