//! In place of what reaches a service in a cluster, where this program is built without it.

use crate::out::Out;
use crate::outcome::Usage;
use crate::release::Wanted;
use anyhow::Result;
use client::Builder;
use std::sync::Arc;

pub(crate) struct Reached {
    pub(crate) url: String,
    pub(crate) builder: Builder,
    pub(crate) door: Door,
}

#[derive(Debug)]
pub(crate) struct Door;

pub(crate) async fn reach(wanted: Wanted, _out: &Arc<Out>) -> Result<Reached> {
    let text = "this dfs is built without the feature kube, or for a system without its sockets";
    Err(Usage(format!("{wanted:?}: {text}")).into())
}
