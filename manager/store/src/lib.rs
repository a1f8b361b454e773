//! Where the manager keeps its records: one trait, its engines, and one
//! behaviour suite that runs on each of them. Knows neither gRPC nor HTTP.

mod error;
mod record;
mod stats;
mod store;

pub use error::{Cause, StoreError};
pub use record::{Copy, Lease, NodeRow, Record, State, Totals};
pub use stats::StoreStats;
pub use store::{Insert, Store, Swap};
