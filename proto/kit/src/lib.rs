//! What every binary does alike at its edges: logs, signals, listeners, the ops port
//! (`/livez`, `/readyz`, `/metrics`), lists of metrics, the token and the accept loop of the
//! inner ports, open files, units of flags.

pub mod accept;
pub mod descriptors;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod ops;
pub mod private;
pub mod signals;
pub mod token;
pub mod units;
