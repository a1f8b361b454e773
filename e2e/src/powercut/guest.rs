//! A guest of qemu whose power can be cut: its own kernel, page cache and ext4
//! on raw disks, so that kill -9 loses exactly what was not flushed.

use crate::cluster::binaries::Binaries;
use crate::tools::{self, which};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::process::Child;

/// Programs that the run needs, each with its Debian package.
const TOOLS: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("modprobe", "kmod"),
    ("mkfs.ext4", "e2fsprogs"),
    ("ldd", "libc-bin"),
];

/// The package of a small kernel with virtio as modules.
const KERNEL: &str = "linux-image-cloud-amd64";

/// One disk for the store, one for each of two nodes.
const DISKS: [&str; 3] = ["store", "node-1", "node-2"];

/// Size of a disk; the files are sparse.
const DISK: u64 = 2 << 30;

/// The init program of the guest.
const INIT: &str = include_str!("../../powercut/init");

/// Installs missing programs where that is allowed, else returns an error that names them.
pub(super) fn require() -> Result<()> {
    tools::require(&TOOLS)?;
    if kernel().is_err() {
        tools::install(&[KERNEL])?;
    }
    kernel().map(drop)
}

/// The newest cloud kernel and its version.
fn kernel() -> Result<(PathBuf, String)> {
    let mut found: Vec<String> = fs::read_dir("/boot")?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("vmlinuz-") && name.contains("cloud"))
        .collect();
    found.sort();
    let name = found.pop().context("no cloud kernel in /boot")?;
    let version = name.trim_start_matches("vmlinuz-").to_owned();
    Ok((Path::new("/boot").join(name), version))
}

/// What boots: a kernel, an initial file system with the service, and disks.
#[derive(Debug)]
pub(super) struct Guest {
    folder: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

/// A guest that runs. Dropping it cuts its power.
#[derive(Debug)]
pub(super) struct Running {
    qemu: Child,
    /// REST, from outside.
    pub(super) http: SocketAddr,
    console: PathBuf,
}

impl Guest {
    /// Packs the service; the disks come with [`Guest::format`].
    pub(super) fn prepare(folder: &Path, binaries: &Binaries) -> Result<Self> {
        let (kernel, version) = kernel()?;
        let root = folder.join("root");
        for name in ["bin", "dev", "proc", "sys", "mnt", "mod", "tmp"] {
            fs::create_dir_all(root.join(name))?;
        }
        fs::copy(which("busybox")?, root.join("bin/busybox"))?;
        fs::write(root.join("init"), INIT)?;
        fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
        modules(&root.join("mod"), &version)?;
        for program in [&binaries.manager, &binaries.node] {
            add_program(&root, program)?;
        }
        let initrd = folder.join("initrd");
        pack(&root, &initrd)?;
        fs::remove_dir_all(&root)?;
        Ok(Self {
            folder: folder.to_owned(),
            kernel,
            initrd,
        })
    }

    /// Makes empty disks.
    pub(super) fn format(&self) -> Result<()> {
        for disk in DISKS {
            let path = self.folder.join(disk);
            let _ = fs::remove_file(&path);
            fs::File::create(&path)?.set_len(DISK)?;
            let mut command = Command::new(which("mkfs.ext4")?);
            let status = command.args(["-q", "-F"]).arg(&path).status()?;
            ensure!(status.success(), "mkfs.ext4: {status}");
        }
        Ok(())
    }

    /// Turns the power on. `failpoints` reach the service's environment.
    pub(super) fn boot(&self, failpoints: Option<&str>) -> Result<Running> {
        // qemu can't pick a port by itself and report it.
        let http = crate::ports::free()?;
        let console = self.folder.join("console");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&console)?;
        let mut line = "console=ttyS0 quiet panic=-1 random.trust_cpu=on".to_owned();
        if let Some(failpoints) = failpoints {
            line += &format!(" dfs_failpoints={failpoints}");
        }
        let mut qemu = tokio::process::Command::new(which("qemu-system-x86_64")?);
        qemu.args([
            "-M",
            "q35",
            "-cpu",
            "max",
            "-accel",
            "tcg,thread=multi",
            "-smp",
            "2",
        ]);
        qemu.args(["-m", "1024", "-nographic", "-no-reboot", "-kernel"])
            .arg(&self.kernel);
        qemu.arg("-initrd")
            .arg(&self.initrd)
            .args(["-append", &line]);
        for disk in DISKS {
            let file = self.folder.join(disk);
            let file = file.to_str().context("a folder that is not UTF-8")?;
            qemu.args([
                "-drive",
                &format!("file={file},if=virtio,format=raw,cache=writeback"),
            ]);
        }
        let forward = format!("user,model=virtio-net-pci,hostfwd=tcp:{http}-:8000");
        qemu.args(["-nic", &forward]);
        qemu.stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        Ok(Running {
            qemu: qemu.spawn().context("starting qemu")?,
            http,
            console,
        })
    }
}

impl Running {
    /// Cuts the power.
    pub(super) async fn cut(mut self) -> Result<()> {
        self.qemu.kill().await.context("killing qemu")
    }

    /// The end of what the guest printed.
    pub(super) fn console(&self) -> String {
        let text = fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(6000)..]).into_owned()
    }
}

/// Copies the kernel modules that the guest needs, in the order of loading.
fn modules(to: &Path, version: &str) -> Result<()> {
    let mut order = Vec::new();
    for module in ["virtio_pci", "virtio_blk", "virtio_net", "ext4"] {
        let mut command = Command::new(which("modprobe")?);
        let out = command
            .args(["--show-depends", "-S", version, module])
            .output()?;
        for line in String::from_utf8_lossy(&out.stdout).lines() {
            let Some(path) = line.strip_prefix("insmod ") else {
                continue;
            };
            let path = Path::new(path.trim());
            let name = path
                .file_name()
                .and_then(OsStr::to_str)
                .context("a module's name")?;
            if !order.contains(&name.to_owned()) {
                fs::copy(path, to.join(name))?;
                order.push(name.to_owned());
            }
        }
    }
    fs::write(to.join("order"), order.join("\n"))?;
    Ok(())
}

/// Copies a program into `bin`, without its debug information, and its
/// libraries to the same paths as outside.
fn add_program(root: &Path, program: &Path) -> Result<()> {
    let to = root
        .join("bin")
        .join(program.file_name().context("a program's name")?);
    let stripped = Command::new("strip")
        .arg("-o")
        .arg(&to)
        .arg(program)
        .output();
    if !stripped.is_ok_and(|out| out.status.success()) {
        fs::copy(program, &to)?;
    }
    let out = Command::new(which("ldd")?).arg(program).output()?;
    for word in String::from_utf8_lossy(&out.stdout).split_whitespace() {
        if word.starts_with('/') && Path::new(word).is_file() {
            let to = root.join(&word[1..]);
            fs::create_dir_all(to.parent().context("a library has a folder")?)?;
            fs::copy(word, to)?;
        }
    }
    Ok(())
}

/// An archive as the kernel unpacks it; not compressed, since the emulated
/// processor would spend longer on unpacking than the disk on reading.
fn pack(root: &Path, to: &Path) -> Result<()> {
    let mut names = Vec::new();
    list(root, Path::new("."), &mut names)?;
    let mut cpio = Command::new(which("cpio")?)
        .args(["-o", "-H", "newc", "--quiet"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(to)?)
        .spawn()?;
    let mut stdin = cpio.stdin.take().context("stdin is piped")?;
    stdin.write_all(names.join("\n").as_bytes())?;
    drop(stdin);
    let status = cpio.wait()?;
    if !status.success() {
        bail!("cpio: {status}");
    }
    Ok(())
}

fn list(root: &Path, folder: &Path, names: &mut Vec<String>) -> Result<()> {
    names.push(folder.display().to_string());
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => list(root, &path, names)?,
            false => names.push(path.display().to_string()),
        }
    }
    Ok(())
}
