//! A disk that can be full.
//!
//! Where mounting is allowed it is a file system of its own in memory, which a ballast file fills to
//! the last byte. Elsewhere (a container without rights) it is a limit on the size of files
//! (RLIMIT_FSIZE) of the processes that write to it, which PostgreSQL treats like a full disk; that
//! is said loudly, because it is less than the real thing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::cluster::{open_to_everyone, temporary_folder};

/// A folder on a small disk.
pub struct Disk {
    folder: TempDir,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A file system of its own.
    Mounted,
    /// A limit on its writers' files.
    Limited,
}

/// Largest file while the disk is "full" by a limit, in bytes: less than PostgreSQL's log of 16 MB,
/// so that both tables and log run into it.
const LIMIT: u64 = 4 << 20;

impl Disk {
    /// A disk of so many megabytes. `LOTWISE_SOAK_DISK=limit` does without a mount.
    pub fn new(megabytes: u32) -> Self {
        let folder = temporary_folder();
        let way = match std::env::var("LOTWISE_SOAK_DISK").as_deref() {
            Ok("limit") => Way::Limited,
            _ => mount(folder.path(), megabytes),
        };
        if way == Way::Limited {
            eprintln!(
                "!!!! NO SMALL DISK CAN BE MOUNTED HERE: a limit on the size of files stands in for a full disk. \
                 Run as root with the right to mount for the real thing."
            );
        }
        open_to_everyone(folder.path());
        Self { folder, way }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no room. `writers` are the processes that write to it.
    pub fn fill(&self, writers: &[u32]) {
        match self.way {
            Way::Mounted => self.load().expect("a ballast file"),
            Way::Limited => writers.iter().for_each(|pid| limit(*pid, &LIMIT.to_string())),
        }
    }

    /// Undoes [`Disk::fill`].
    pub fn free(&self, writers: &[u32]) {
        match self.way {
            Way::Mounted => {
                let _ = std::fs::remove_file(self.ballast());
            }
            Way::Limited => writers.iter().for_each(|pid| limit(*pid, "unlimited")),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    fn load(&self) -> std::io::Result<()> {
        let mut file = File::create(self.ballast())?;
        let mut piece = vec![0; 1 << 20];
        while !piece.is_empty() {
            if let Err(error) = file.write_all(&piece) {
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
                piece.truncate(piece.len() / 2);
            }
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.way == Way::Mounted {
            // Lazily: what still has a file open there does not hold it.
            let gone = Command::new("umount").arg("--lazy").arg(self.path()).status();
            if !gone.is_ok_and(|status| status.success()) {
                eprintln!("{} could not be unmounted", self.path().display());
            }
        }
    }
}

fn mount(folder: &Path, megabytes: u32) -> Way {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=755"), "lotwise-soak"])
        .arg(folder)
        .stderr(Stdio::null())
        .status();
    if mounted.is_ok_and(|status| status.success()) { Way::Mounted } else { Way::Limited }
}

/// As the process's own user: root may lack the right to limit others.
fn limit(pid: u32, bytes: &str) {
    use std::os::unix::fs::MetadataExt;
    let Ok(owner) = std::fs::metadata(format!("/proc/{pid}")) else { return };
    let (user, group) = (owner.uid().to_string(), owner.gid().to_string());
    // A process that has just ended needs no limit.
    let _ = Command::new("setpriv")
        .args(["--reuid", &user, "--regid", &group, "--clear-groups", "prlimit"])
        .args(["--pid", &pid.to_string(), &format!("--fsize={bytes}:")])
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{Disk, Way};

    #[test]
    fn a_full_disk_takes_nothing_and_a_freed_one_does() {
        let disk = Disk::new(8);
        let file = disk.path().join("file");
        let write = || std::fs::write(&file, vec![1; 6 << 20]);
        if disk.way == Way::Limited {
            // The limit is on the writer, and this process does not limit itself.
            return write().expect("room");
        }
        write().expect("room");
        std::fs::remove_file(&file).expect("remove");
        disk.fill(&[]);
        assert_eq!(write().map_err(|e| e.kind()), Err(ErrorKind::StorageFull));
        disk.free(&[]);
        write().expect("room");
    }
}
