//! The whole system from outside: starts the real binaries, loads them through
//! REST, cuts their power, and examines what lies on their disks.

pub mod bench;
pub mod callers;
pub mod certificates;
pub mod client;
pub mod cluster;
pub mod content;
pub mod crd;
pub mod disks;
pub mod files;
pub mod histories;
pub mod journal;
pub mod kube;
pub mod kubernetes;
pub mod load;
pub mod managers;
pub mod many;
pub mod members;
pub mod memory;
pub mod metrics;
pub mod mongo;
pub mod pages;
pub mod pools;
pub mod ports;
pub mod powercut;
pub mod pressure;
pub mod raw;
pub mod report;
pub mod repository;
pub mod secure;
pub mod set_back;
pub mod sources;
pub mod status;
pub mod tools;
pub mod tree;
pub mod wait;
