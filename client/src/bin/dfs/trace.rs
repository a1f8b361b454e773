//! The span that the command is a part of, as OpenTelemetry names it to commands.

use client::{Builder, Error};

const PARENT: &str = "TRACEPARENT";
const STATE: &str = "TRACESTATE";

/// Has the client name the span of the variables. One that can't be sent is no reason not to
/// do what was asked for.
pub(crate) fn named(builder: Builder) -> Result<Builder, Error> {
    let read = |name| std::env::var(name).unwrap_or_default();
    let can_be = |text: &String| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let (parent, state) = (read(PARENT), read(STATE));
    match can_be(&parent) {
        true if !parent.is_empty() => {
            builder.trace(&parent, &Some(state).filter(can_be).unwrap_or_default())
        }
        _ => Ok(builder),
    }
}
