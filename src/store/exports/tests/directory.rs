use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::error::Kind;
use crate::store::testing::export_id;

fn made() -> (ExportDirectory, TempDir) {
    let outer = tempfile::tempdir().unwrap();
    (ExportDirectory::new(outer.path().join("deep/exports")), outer)
}

fn name(n: u32) -> String {
    format!("export-{}.csv", export_id(n))
}

#[test]
fn a_directory_is_for_its_owner_and_one_server_alone() {
    let (directory, _outer) = made();
    let lock = directory.prepare().unwrap();
    assert_eq!(fs::metadata(directory.path()).unwrap().permissions().mode() & 0o777, 0o700);
    let refused = directory.prepare().unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    assert!(refused.message.contains("exports.directory"), "{refused}");
    drop(lock);
    drop(directory.prepare().unwrap());
}

#[test]
fn a_draft_gets_its_name_when_it_is_published_and_goes_otherwise() {
    let (directory, _outer) = made();
    let _lock = directory.prepare().unwrap();
    let draft = directory.draft(&name(1)).unwrap();
    fs::write(draft.path(), "whole").unwrap();
    assert!(directory.open(&name(1)).unwrap().is_none());
    assert_eq!(draft.publish(&directory.path_of(&name(1))).unwrap(), 5);
    assert!(directory.open(&name(1)).unwrap().is_some());
    drop(directory.draft(&name(2)).unwrap());
    let mut left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".lock".to_string(), name(1)].map(std::ffi::OsString::from));
    directory.remove(&name(1)).unwrap();
    directory.remove(&name(1)).unwrap();
    assert!(directory.open(&name(1)).unwrap().is_none());
}

#[test]
fn no_link_and_nothing_but_a_file_is_opened() {
    let (directory, outer) = made();
    let _lock = directory.prepare().unwrap();
    let secret = outer.path().join("secret");
    fs::write(&secret, "s").unwrap();
    symlink(&secret, directory.path_of(&name(1))).unwrap();
    fs::create_dir(directory.path_of(&name(2))).unwrap();
    assert!(directory.open(&name(1)).unwrap().is_none());
    assert!(directory.open(&name(2)).unwrap().is_none());
}

#[test]
fn orphans_are_what_bears_a_name_of_ours_and_belongs_to_no_job() {
    let (directory, _outer) = made();
    let _lock = directory.prepare().unwrap();
    let id = export_id(7);
    let orphans = [
        name(2),
        format!("{}.part-0123456789abcdef", name(1)),
        format!("export-{id}.csv.gz"),
        format!("export-{id}.xlsx.part-0123456789abcdef-journal"),
        ".spool-4711-0".into(),
    ];
    let others = [
        name(1),
        "notes.txt".into(),
        "export-short.csv".into(),
        format!("export-{id}.csv.bak"),
        format!("export-{id}.pdf"),
        format!("export-{}.csv", "ä".repeat(11)),
        ".lock".into(),
        ".spool-of-thread".into(),
    ];
    orphans.iter().chain(&others).for_each(|name| fs::write(directory.path_of(name), "x").unwrap());
    let removed = directory.remove_orphans(&HashSet::from([name(1)]), |error| panic!("{error}"));
    assert_eq!(removed.unwrap(), orphans.len());
    for (name, is_there) in orphans.iter().map(|name| (name, false)).chain(others.iter().map(|name| (name, true))) {
        assert_eq!(directory.path_of(name).exists(), is_there, "{name}");
    }
}

#[test]
fn an_orphan_that_cannot_be_removed_is_told_and_in_nobodys_way() {
    let (directory, _outer) = made();
    let _lock = directory.prepare().unwrap();
    fs::create_dir(directory.path_of(&name(1))).unwrap();
    fs::write(directory.path_of(&name(2)), "x").unwrap();
    let mut told = vec![];
    let removed = directory.remove_orphans(&HashSet::new(), |error| told.push(error.message.clone()));
    assert_eq!((removed.unwrap(), told.len()), (1, 1));
    assert!(told[0].contains(&name(1)) && !directory.path_of(&name(2)).exists(), "{told:?}");
}
