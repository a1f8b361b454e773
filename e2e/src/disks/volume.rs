//! A small file system on a loop device, which is removed however the run ends.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a program may take until its volume is there.
const MOUNTED: Duration = Duration::from_secs(5);

/// What a volume is formatted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ext4,
    /// With this many inodes.
    Ext4Inodes(u32),
    Xfs,
    /// A folder behind FUSE: no rename without replacing, no nameless files.
    Fuse,
}

/// A mounted volume.
#[derive(Debug)]
pub(crate) struct Volume {
    kind: Kind,
    /// What lies behind it: a file, or a folder.
    image: PathBuf,
    /// Where it is mounted.
    pub(crate) at: PathBuf,
    /// The program that serves a FUSE volume.
    served: Option<Child>,
}

/// Runs a program; its messages are in the error.
pub(crate) fn call<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<String> {
    let program = crate::tools::which(program)?;
    let output = Command::new(&program).args(args).output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(output.status.success(), "{}: {text}", program.display());
    Ok(text)
}

impl Volume {
    /// Formats and mounts one below `folder`.
    pub(crate) fn make(folder: &Path, kind: Kind, mib: u64) -> Result<Self> {
        let image = folder.join("image");
        let at = folder.join("volume");
        std::fs::create_dir_all(&at)?;
        if kind == Kind::Fuse {
            std::fs::create_dir(&image)?;
        } else {
            std::fs::File::create(&image)?.set_len(mib << 20)?;
        }
        let file = image.as_os_str();
        let os = OsStr::new;
        match kind {
            Kind::Ext4 => call("mkfs.ext4", &[os("-q"), os("-m"), os("0"), file])?,
            Kind::Ext4Inodes(number) => {
                let number = number.to_string();
                let args = [os("-q"), os("-m"), os("0"), os("-N"), os(&number), file];
                call("mkfs.ext4", &args)?
            }
            Kind::Xfs => call("mkfs.xfs", &[os("-q"), file])?,
            Kind::Fuse => String::new(),
        };
        let mut volume = Self {
            kind,
            image,
            at,
            served: None,
        };
        volume.mount()?;
        Ok(volume)
    }

    /// Mounts it.
    pub(super) fn mount(&mut self) -> Result<()> {
        let os = OsStr::new;
        let (image, at) = (self.image.as_os_str(), self.at.as_os_str());
        if self.kind != Kind::Fuse {
            return call("mount", &[os("-o"), os("loop"), image, at]).map(drop);
        }
        let mut program = Command::new(crate::tools::which("bindfs")?);
        self.served = Some(program.arg("-f").args([image, at]).spawn()?);
        let begun = Instant::now();
        while call("mountpoint", &[os("-q"), at]).is_err() {
            ensure!(begun.elapsed() < MOUNTED, "bindfs mounts nothing");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Unmounts it, checks it and mounts it anew, as a person would after an error.
    pub(crate) fn repair(&mut self) -> Result<()> {
        self.unmount()?;
        if self.kind == Kind::Fuse {
            return self.mount();
        }
        // Exit status 1 means that errors were corrected.
        let checked = Command::new(crate::tools::which("e2fsck")?)
            .args(["-fy"])
            .arg(&self.image)
            .output()?;
        let code = checked.status.code().unwrap_or(-1);
        ensure!(code <= 1, "e2fsck: exit status {code}");
        self.mount()
    }

    fn unmount(&self) -> Result<()> {
        call("umount", &[&self.at]).map(drop)
    }

    /// Kills the program that serves it: whatever uses it is then not connected.
    pub(super) fn abort(&mut self) -> Result<()> {
        let mut served = self.served.take().context("no program serves it")?;
        served.kill()?;
        served.wait().map(drop).context("bindfs")
    }

    /// Puts a file of this volume in the place of another file.
    pub(super) fn bind(&self, file: &Path, over: &Path) -> Result<()> {
        let args = [OsStr::new("--bind"), file.as_os_str(), over.as_os_str()];
        call("mount", &args).map(drop)
    }

    /// Makes ext4 find an error, upon which it turns read-only.
    pub(crate) fn turn_read_only(&self) -> Result<()> {
        call(
            "mount",
            &[
                OsStr::new("-o"),
                OsStr::new("remount,errors=remount-ro"),
                self.at.as_os_str(),
            ],
        )?;
        let device = self.device()?;
        let name = Path::new(&device).file_name().context("a device's name")?;
        let trigger = Path::new("/sys/fs/ext4")
            .join(name)
            .join("trigger_fs_error");
        std::fs::write(trigger, "1").context("ext4's trigger_fs_error")
    }

    fn device(&self) -> Result<String> {
        let at = self.at.as_os_str();
        let os = OsStr::new;
        let device = call("findmnt", &[os("-n"), os("-o"), os("SOURCE"), at])?;
        Ok(device.trim().to_owned())
    }

    /// Makes every call to it fail from now on.
    pub(super) fn shut_down(&self) -> Result<()> {
        let os = OsStr::new;
        call(
            "xfs_io",
            &[os("-x"), os("-c"), os("shutdown"), self.at.as_os_str()],
        )
        .map(drop)
    }

    /// Makes it hang.
    pub(crate) fn freeze(&self) -> Result<()> {
        call("fsfreeze", &[OsStr::new("-f"), self.at.as_os_str()]).map(drop)
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        call("fsfreeze", &[OsStr::new("-u"), self.at.as_os_str()]).map(drop)
    }

    /// Fills it up to its last byte.
    pub(crate) fn fill(&self) -> Result<()> {
        use std::io::Write;
        for piece in [1 << 20, 4096, 1] {
            let ballast = self.at.join(format!("ballast-{piece}"));
            // A full disk may have no room for the files of the smaller pieces.
            let Ok(mut file) = std::fs::File::create(ballast) else {
                break;
            };
            let piece = vec![1u8; piece];
            while file.write_all(&piece).is_ok() {}
            // That the disk could not keep all of it is expected.
            let _ = file.sync_all();
        }
        Ok(())
    }

    /// Uses up its inodes.
    pub(super) fn fill_inodes(&self) -> Result<()> {
        let folder = self.at.join("ballast-inodes");
        std::fs::create_dir(&folder)?;
        for number in 0u32.. {
            if std::fs::File::create(folder.join(number.to_string())).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Removes what filled it up.
    pub(crate) fn empty(&self) -> Result<()> {
        for entry in std::fs::read_dir(&self.at)? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b"ballast") {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Each of these fails where there is nothing to undo.
        let _ = self.thaw();
        let _ = call("umount", &[OsStr::new("-l"), self.at.as_os_str()]);
        let _ = self.abort();
    }
}
