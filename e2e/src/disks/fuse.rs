//! A volume behind FUSE, as many network file systems are: it has neither a rename
//! that refuses to replace a file nor nameless files, and its program may end.

use super::{Bad, Kind, REPORTED};
use crate::tree;
use anyhow::{Result, ensure};
use client::Status;

/// All that a node does with its disk works there. When the volume is gone
/// uploads go to the other node, and when it is back this node takes files again.
pub(super) async fn is_behind_it() -> Result<String> {
    let mut bad = Bad::start(Kind::Fuse, 0).await?;
    let client = bad.cluster.client()?;
    for name in bad.on_it()?.iter().step_by(2) {
        client.delete(name).await?;
    }
    let adopted = quarantines_and_adopts(&mut bad).await?;
    bad.volume.abort()?;
    let longest = bad.uploads_go_on().await?;
    let told = bad.is_told_read_only("not connected").await?;
    bad.repaired().await?;
    Ok(format!(
        "{adopted} adopted, longest upload {longest:.1?}; /readyz: {told}"
    ))
}

/// Files that the store no longer knows go into quarantine, and are adopted again.
async fn quarantines_and_adopts(bad: &mut Bad) -> Result<u64> {
    let backup = bad.cluster.folder().join("backup");
    bad.cluster.stop_manager().await?;
    tree::copy_folder(&bad.cluster.store(), &backup)?;
    bad.cluster.start_manager().await?;
    bad.cluster.wait_available(2).await?;
    bad.upload(20, 1000).await?;
    bad.cluster.leader(REPORTED).await?;
    bad.cluster.heard().await;
    bad.cluster.set_store_back(&backup).await?;
    let status = bad
        .cluster
        .wait_status("files are in quarantine", REPORTED, |status| {
            status.nodes.iter().all(|node| node.merged) && status.quarantined == 20
        })
        .await?;
    let adopt = ["quarantine", "adopt", "--all"];
    let (code, told) = bad.cluster.ask(&adopt).await?;
    ensure!(code == 0, "{told}");
    let back = |status: &Status| status.quarantined == 0;
    bad.cluster
        .wait_status("all are back", REPORTED, back)
        .await?;
    bad.read_all().await?;
    Ok(status.quarantined)
}
