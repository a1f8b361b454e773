//! What every binary does alike at its edges: logs, signals, listeners, the ops port
//! (`/livez`, `/readyz`, `/metrics`), lists of metrics, certificates, token and accept loop of
//! the inner ports, TLS, files that are read again, open files, units of flags,
//! spans of OpenTelemetry, and connections that let others go first.

pub mod accept;
pub mod descriptors;
pub mod inner;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod ops;
pub mod private;
pub mod reread;
pub mod runtime;
pub mod signals;
pub mod spans;
pub mod stepped;
pub mod tls;
pub mod token;
pub mod units;
