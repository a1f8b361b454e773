//! The flags of a manager's own inner port.

use kit::inner::{Inner, InnerArgs};

/// What opens a manager's own inner port.
#[derive(Debug, clap::Args)]
pub struct OwnInnerArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub inner: InnerArgs,
    /// With --certs, also let in nodes and commands that speak no TLS and have the token: for the time in which a service changes to certificates
    #[arg(long, env = "DFS_ACCEPT_PLAIN")]
    pub accept_plain: bool,
}

impl OwnInnerArgs {
    /// Reads what the flags name.
    ///
    /// # Errors
    /// Names the flag.
    pub fn load(&self) -> anyhow::Result<Inner> {
        let inner = self.inner.load()?;
        match self.accept_plain {
            false => Ok(inner),
            true => inner
                .with_plain()
                .map_err(|missing| anyhow::anyhow!("--accept-plain: needs {missing} as well")),
        }
    }
}
