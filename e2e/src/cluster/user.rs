//! Nodes that run as a user of their own, whom permissions and limits bind.

use super::Cluster;
use anyhow::Result;
use std::os::unix::fs::{PermissionsExt, chown};

impl Cluster {
    /// From its next start on the node runs as this user; `limits` are flags of
    /// `prlimit`. Only root can do this.
    ///
    /// # Errors
    /// When the node's folder can't be made its own.
    pub fn run_as(&mut self, index: usize, user: u32, limits: &[&str]) -> Result<()> {
        crate::tools::require(&[("setpriv", "util-linux"), ("prlimit", "util-linux")])?;
        let folder = &self.nodes[index].folder;
        std::fs::create_dir_all(folder)?;
        chown(folder, Some(user), Some(user))?;
        std::fs::set_permissions(self.folder(), std::fs::Permissions::from_mode(0o711))?;
        let user = user.to_string();
        let mut words = vec!["prlimit"];
        words.extend(limits);
        words.extend(["setpriv", "--reuid", &user, "--regid", &user]);
        words.push("--clear-groups");
        self.nodes[index].starter = words.into_iter().map(str::to_owned).collect();
        Ok(())
    }
}
