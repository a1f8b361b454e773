//! A network of its own, whose loopback has packets as short as those of Ethernet. Over a
//! loopback as it is, with packets of 64 KiB, many uploads at once came to a standstill with
//! both cores idle, and what was measured meanwhile was that.

use crate::tools;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;

/// Set in the network of its own.
const WITHIN: &str = "DFS_BENCH_NETWORK";
const PREPARE: &str = "ip link set lo mtu 1500 up && exec \"$@\"";

/// Goes on as the same command in a network of its own, unless this is it.
///
/// # Errors
/// Where the command can't be run there.
pub(in crate::bench) fn enter() -> Result<()> {
    if std::env::var_os(WITHIN).is_some() {
        return Ok(());
    }
    tools::require(&[("unshare", "util-linux"), ("ip", "iproute2")])?;
    let mut command = tools::unshare()?;
    let own = std::env::current_exe().context("asking for the own path")?;
    command.args(["--net", "sh", "-c", PREPARE, "sh"]).arg(own);
    command.args(std::env::args_os().skip(1)).env(WITHIN, "1");
    Err(command.exec()).context("unshare")
}
