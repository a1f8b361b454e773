//! What every binary does alike at its edges: logs, signals, the ops port
//! (`/livez`, `/readyz`, `/metrics`), the token of the inner ports, units of flags.

pub mod failpoint;
pub mod log;
pub mod ops;
pub mod signals;
pub mod token;
pub mod units;
