//! A store that was set back to a backup costs no file (rule 17): a small part of
//! the run `e2e set-back`.

use anyhow::Result;
use e2e::set_back::{self, Args, Engine};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_any_moment_costs_no_file_and_brings_none_back() -> Result<()> {
    set_back::run(Args {
        files: 600,
        engine: Some(Engine::Embedded),
    })
    .await
}
