//! The spool's directory: one process at a time, files that only its user reads.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A directory that cannot be the spool.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error(
        "the spool directory {} is in use by another process: give each `lotwise ingest` one of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("the spool directory {} cannot be used", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Names of the files in the directory.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// Held as long as the process may write to the directory.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Folder {
    /// Makes the directory if it is not there, and locks it.
    ///
    /// # Errors
    /// When it cannot be used or another process has it.
    pub fn open(path: &Path) -> Result<(Self, Lock), FolderError> {
        let unusable = |source| FolderError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let folder = Self(path.to_owned());
        let lock = private().write(true).create(true).truncate(false).open(path.join("lock"));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        folder.sync().map_err(unusable)?;
        Ok((folder, Lock(lock)))
    }

    /// The names in a directory that another process may have.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// File of a segment.
    pub fn segment(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number:020}.spool"))
    }

    /// Where a damaged segment is kept for people to look at.
    pub fn damaged(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number:020}.damaged"))
    }

    /// Rows that the database does not take at all.
    pub fn refused(&self) -> PathBuf {
        self.0.join("refused.jsonl")
    }

    /// What is known of API keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys.json")
    }

    /// The mappings of line protocol as the database had them last.
    pub fn mappings(&self) -> PathBuf {
        self.0.join("mappings.json")
    }

    /// What is in the directory.
    ///
    /// # Errors
    /// The file system's.
    pub fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((stem, kind)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            match (stem.parse::<u64>(), kind) {
                (Ok(number), "spool") => listing.segments.push(number),
                (Ok(number), "damaged") => {
                    listing.highest = listing.highest.max(number);
                    listing.aside_bytes += entry.metadata()?.len();
                }
                (_, "jsonl") => listing.aside_bytes += entry.metadata()?.len(),
                _ => {}
            }
        }
        listing.segments.sort_unstable();
        listing.highest = listing.highest.max(listing.segments.last().copied().unwrap_or(0));
        Ok(listing)
    }

    /// Makes what was created, renamed and removed in the directory outlive a power cut.
    ///
    /// # Errors
    /// The file system's.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// The files of a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Numbers of the segments, ascending.
    pub segments: Vec<u64>,
    /// Highest number of a segment, damaged ones too; 0: none.
    pub highest: u64,
    /// Bytes of what waits for people.
    pub aside_bytes: u64,
}

/// Replaces a file as a whole; when it returns that is durable.
///
/// # Errors
/// The file system's; then the old file is still there.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = private().write(true).create(true).truncate(true).open(&fresh)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// To open files that nobody else may read.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{Folder, FolderError, Listing};

    #[test]
    fn one_process_has_it_and_nobody_else_reads_it() {
        let parent = tempfile::tempdir().expect("folder");
        let path = parent.path().join("a/b");
        let (folder, lock) = Folder::open(&path).expect("open");
        let mode = |path| std::fs::metadata(path).expect("file").permissions().mode() & 0o777;
        assert_eq!((mode(path.clone()), mode(path.join("lock"))), (0o700, 0o600));
        let second = Folder::open(&path).map(|_| ()).expect_err("a second one");
        assert!(matches!(&second, FolderError::InUse(at) if *at == path));
        assert!(second.to_string().contains(path.to_str().expect("text")));
        drop(lock);
        Folder::open(&path).expect("again");
        assert_eq!(folder.list().expect("list"), Listing::default());
    }

    #[test]
    fn lists_segments_in_order_and_knows_the_highest_number() {
        let parent = tempfile::tempdir().expect("folder");
        let (folder, _lock) = Folder::open(parent.path()).expect("open");
        for path in [folder.segment(12), folder.segment(3), folder.damaged(40), folder.refused()] {
            std::fs::write(path, b"xy").expect("write");
        }
        let expected = Listing { segments: vec![3, 12], highest: 40, aside_bytes: 4 };
        assert_eq!(folder.list().expect("list"), expected);
    }
}
