//! Which files a source names, and their text.
//!
//! In: paths of files and folders.  Out: files in sorted order, decoded text.  Owns: nothing.
//! Absent on purpose: sub-folders (a folder of sites should not take in yesterday's backup beside it).

use std::fs;
use std::path::{Path, PathBuf};

use crate::problem::{At, FileId, Report};

/// Endings of files that hold rows.
pub(crate) const ROW_ENDINGS: &[&str] = &["ndjson", "jsonl", "json", "csv"];
/// Endings of files that hold sites.
pub(crate) const SITE_ENDINGS: &[&str] = &["geojson", "json"];
/// Endings of files that hold policies or calendars.
pub(crate) const TOML_ENDINGS: &[&str] = &["toml"];

/// Every file of `paths`, a folder standing for all its files with a fitting ending, sorted by name. A named file is
/// taken whatever its ending.
pub(crate) fn expand(report: &mut Report, paths: &[PathBuf], endings: &[&str]) -> Vec<(FileId, PathBuf)> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            expand_folder(report, path, endings, &mut files);
        } else {
            files.push((report.add_file(path.clone()), path.clone()));
        }
    }
    files
}

fn expand_folder(report: &mut Report, folder: &Path, endings: &[&str], files: &mut Vec<(FileId, PathBuf)>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let file = report.add_file(folder.to_owned());
            report.error("unreadable", At::file(file), "", format!("cannot list the folder: {error}"), "");
            return;
        }
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            ending(path).is_some_and(|ending| endings.contains(&ending.as_str())) && path.is_file()
        })
        .collect();
    found.sort();
    if found.is_empty() {
        let file = report.add_file(folder.to_owned());
        let what = format!("the folder holds no file that ends with .{}", endings.join(", ."));
        report.error("empty_folder", At::file(file), "", what, "name the right folder, or leave the set out");
    }
    for path in found {
        files.push((report.add_file(path.clone()), path));
    }
}

/// A path's ending in lower case.
pub(crate) fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// A file's text without a byte-order mark; `None`, with a problem told, if it cannot be read or is not UTF-8.
pub(crate) fn read_text(report: &mut Report, file: FileId, path: &Path) -> Option<String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.error(
                "unreadable",
                At::file(file),
                "",
                format!("cannot read it: {error}"),
                "correct the path in [reference]",
            );
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => match text.strip_prefix('\u{feff}') {
            Some(rest) => Some(rest.to_owned()),
            None => Some(text),
        },
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let line = bytes[..good].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let what = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16, not UTF-8".to_owned(),
                _ => format!("byte 0x{:02x} is not UTF-8", bytes[good]),
            };
            report.error(
                "not_utf8",
                At::line(file, line),
                "",
                what,
                "save the file as UTF-8 (in Excel: CSV UTF-8)",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_fitting_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.NDJSON", "notes.txt", "c.jsonl"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("old.csv")).unwrap();
        let mut report = Report::default();
        let files = expand(&mut report, &[folder.path().to_owned(), "named.weird".into()], ROW_ENDINGS);
        let names: Vec<_> =
            files.iter().map(|(_, path)| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.NDJSON", "b.csv", "c.jsonl", "named.weird"]);
        expand(&mut report, &[folder.path().to_owned()], TOML_ENDINGS);
        assert_eq!(report.errors(), 1);
    }

    #[test]
    fn only_utf8_is_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        for (bytes, text, what) in [
            (&b"\xef\xbb\xbfid\n1"[..], Some("id\n1"), ""),
            (b"a\nb\xd5\xc5", None, "byte 0xd5 is not UTF-8"),
            (b"\xff\xfei\0", None, "it is UTF-16, not UTF-8"),
        ] {
            fs::write(&path, bytes).unwrap();
            let mut report = Report::default();
            let file = report.add_file(path.clone());
            assert_eq!(read_text(&mut report, file, &path).as_deref(), text);
            let (problems, ..) = report.finish();
            assert_eq!(problems.first().map_or("", |problem| &problem.what), what);
        }
    }
}
