//! `pressure`: every route and size class by one client and by many, over both
//! versions of HTTP. No answer but the right one, no node leaves, and no process
//! passes its bound in memory (invariant 9).

pub mod routes;
pub mod wire;
