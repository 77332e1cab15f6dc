//! The spool's directory, as far as it can be seen without stopping the service.

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::Access;

use super::Finding;
use crate::ingest::spool::folder::Folder;
use crate::ingest::spool::free_bytes;

const CHECK: &str = "spool";

/// Checks the directory: that it can be used, has room for `max_bytes`, and holds nothing that
/// waits for people.
pub fn check(path: &Path, max_bytes: u64) -> Vec<Finding> {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            let advice = "name a directory as --spool, or remove the file";
            return vec![Finding::fail(CHECK, format!("{shown} is no directory"), advice)];
        }
        Err(error) => {
            let advice = "`lotwise ingest --spool` makes it if its user may: check the path and the rights above it";
            return vec![Finding::fail(CHECK, format!("{shown}: {error}"), advice)];
        }
    };
    if let Err(error) =
        rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
    {
        let advice = "run this as the service's user or root; or give that user the directory";
        return vec![Finding::fail(CHECK, format!("{shown} cannot be written: {error}"), advice)];
    }
    let mut findings = vec![room(path, max_bytes)];
    findings.extend(confidential(path, &metadata));
    findings.extend(for_people(path));
    findings
}

/// Whether the disk has the space that the spool may take.
fn room(path: &Path, max_bytes: u64) -> Finding {
    let folder = Folder::at(path);
    let measured = folder.list().and_then(|listing| {
        let size =
            |number: &u64| fs::metadata(folder.segment(*number)).map_or(0, |file| file.len());
        let waiting: u64 = listing.segments.iter().map(size).sum();
        Ok((waiting, waiting + listing.aside_bytes, free_bytes(path)?))
    });
    let (waiting, used, free) = match measured {
        Ok(measured) => measured,
        Err(error) => {
            let found = format!("{} cannot be read: {error}", path.display());
            return Finding::fail(CHECK, found, "check the disk and the rights");
        }
    };
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let found = format!(
        "{}: {} MiB wait for the database, {} MiB free",
        path.display(),
        mib(waiting),
        mib(free)
    );
    let left = max_bytes.saturating_sub(used);
    if used >= max_bytes {
        let advice = "it is full: bring the database back, move *.damaged and refused.jsonl elsewhere, or raise --spool-max-bytes";
        Finding::fail(CHECK, found, advice)
    } else if free < left {
        let advice = format!(
            "the disk is full before --spool-max-bytes ({} MiB) is reached: lower it, or make room",
            mib(max_bytes)
        );
        Finding::warn(CHECK, found, advice)
    } else {
        Finding::ok(CHECK, found)
    }
}

/// Readings and hashes of keys are in it.
fn confidential(path: &Path, metadata: &Metadata) -> Option<Finding> {
    let mode = metadata.permissions().mode() & 0o777;
    let found = format!("other users may enter {} (mode {mode:o})", path.display());
    (mode & 0o077 != 0)
        .then(|| Finding::warn(CHECK, found, format!("chmod 700 {}", path.display())))
}

/// What the service set aside.
fn for_people(path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let refused = Folder::at(path).refused();
    if let Ok(text) = fs::read(&refused) {
        let rows = text.iter().filter(|byte| **byte == b'\n').count();
        let found = format!("{rows} readings in {}", refused.display());
        let advice = "each line has its reason: post them again when that is gone, and remove the file; see \"Spool\" in docs/admin.md";
        findings.push(Finding::warn("spool, refused", found, advice));
    }
    let files = fs::read_dir(path).into_iter().flatten().flatten();
    let damaged =
        files.filter(|file| file.path().extension().is_some_and(|e| e == "damaged")).count();
    if damaged > 0 {
        let found = format!("{damaged} damaged files in {}", path.display());
        let advice =
            "check the disk; the service's log says which readings are missing; remove them then";
        findings.push(Finding::warn("spool, damaged", found, advice));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::check;

    fn lines(path: &std::path::Path, max_bytes: u64) -> Vec<String> {
        check(path, max_bytes).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn says_what_is_wrong_with_the_directory() {
        let parent = tempfile::tempdir().expect("folder");
        let path = parent.path().join("spool");
        assert!(lines(&path, 1)[0].starts_with("FAIL"));
        fs::write(&path, b"").expect("a file");
        assert!(lines(&path, 1)[0].contains("is no directory"));
        fs::remove_file(&path).expect("remove");
        fs::create_dir(&path).expect("directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("mode");
        let sound = lines(&path, 1024);
        assert!(sound.len() == 1 && sound[0].starts_with("OK"), "{sound:?}");
        let small = lines(&path, u64::MAX);
        assert!(small[0].starts_with("WARN") && small[0].contains("disk is full"), "{small:?}");
    }

    #[test]
    fn says_what_waits_for_people() {
        let folder = tempfile::tempdir().expect("folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        fs::write(folder.path().join("refused.jsonl"), b"{}\n{}\n").expect("write");
        fs::write(folder.path().join("00000000000000000001.damaged"), b"x").expect("write");
        fs::write(folder.path().join("00000000000000000002.spool"), vec![0; 3_000_000])
            .expect("write");
        let found = lines(folder.path(), 10_000_000);
        for part in ["3 MiB wait", "chmod 700", "2 readings in", "1 damaged files"] {
            assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
        }
        assert!(lines(folder.path(), 3_000_000)[0].starts_with("FAIL"));
    }
}
