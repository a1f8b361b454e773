//! What files and nodes are called, whom a file counts for, the result codes, and the shape
//! of a node's tree. Knows neither gRPC nor HTTP.

mod code;
mod file_id;
mod file_name;
pub mod hex;
mod leaf;
mod node_id;
mod quota;

pub use code::Code;
pub use file_id::{FileId, InvalidFileId};
pub use file_name::{FileName, InvalidFileName};
pub use leaf::{LEAF_COUNT, LEVELS, MAX_ENTRIES, leaf_path};
pub use node_id::{InvalidNodeId, NodeId};
pub use quota::{Budget, Owner, Quota};
