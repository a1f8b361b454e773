//! manager-store
