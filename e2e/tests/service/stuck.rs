//! Files that can't move never hold up those that can.

use anyhow::Result;
use e2e::managers::stuck;

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_move_hold_up_neither_balance_nor_drain() -> Result<()> {
    stuck::run(None).await.map(drop)
}
