// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use std::path::PathBuf;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("staprun-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .expect("listed")
            .map(|entry| {
                entry
                    .expect("entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("read")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_plain_file_takes_everything_and_switches_when_told() {
    let folder = Folder::new("plain");
    let mut output = Output::files(&folder.file("out"), None).expect("created");
    output.write(b"one\n").expect("written");
    output.switch().expect("switched");
    output.write(b"two\n").expect("written");
    assert_eq!(folder.names(), ["out", "out.1"]);
    assert_eq!(
        (folder.read("out").as_str(), folder.read("out.1").as_str()),
        ("one\n", "two\n")
    );
}

#[test]
fn rotation_cuts_at_lines_and_keeps_the_last_files() {
    let folder = Folder::new("rotate");
    let rotation = Some(Rotation { bytes: 10, keep: 2 });
    let mut output = Output::files(&folder.file("out"), rotation).expect("created");
    output.write(b"aaaa\nbbbb\ncccc\ndddd\n").expect("written");
    output.write(b"eeee\n").expect("written");
    assert_eq!(folder.names(), ["out.1", "out.2"]);
    assert_eq!(folder.read("out.1"), "cccc\ndddd\n");
    assert_eq!(folder.read("out.2"), "eeee\n");
}

#[test]
fn a_line_longer_than_a_file_is_cut() {
    let folder = Folder::new("long");
    let rotation = Some(Rotation { bytes: 4, keep: 0 });
    let mut output = Output::files(&folder.file("out"), rotation).expect("created");
    output.write(b"abcdefghij\n").expect("written");
    let all: String = folder
        .names()
        .iter()
        .map(|name| folder.read(name))
        .collect();
    assert_eq!(all, "abcdefghij\n");
    assert_eq!(folder.names().len(), 3);
}

#[test]
fn bulk_files_are_made_for_each_cpu_with_systemtaps_frames() {
    let folder = Folder::new("bulk");
    let mut output = Output::bulk(Some(&folder.file("out")), None, [0]).expect("created");
    let message = Message {
        sequence: 7,
        payload: b"text",
    };
    output.write_bulk(3, &message).expect("written");
    output.write_bulk(0, &message).expect("written");
    assert_eq!(folder.names(), ["out_cpu0", "out_cpu3"]);
    let bytes = std::fs::read(folder.0.join("out_cpu3")).expect("read");
    let expected = [
        &crate::bulk::MAGIC[..],
        &7u32.to_ne_bytes(),
        &4u32.to_ne_bytes(),
        &b"text"[..],
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn names_with_percent_are_times() {
    let folder = Folder::new("time");
    let _output = Output::files(&folder.file("out-%%-%Y"), None).expect("created");
    let names = folder.names();
    assert!(names[0].starts_with("out-%-2"), "{names:?}");
}

#[test]
fn a_full_disk_is_an_error_with_the_name() {
    let mut output = Output::files("/dev/full", None).expect("opened");
    let error = output.write(b"text").expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("/dev/full"), "{error}");
    assert!(Output::files("/nowhere/at/all", None).is_err());
}
