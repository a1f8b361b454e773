//! manager-body
