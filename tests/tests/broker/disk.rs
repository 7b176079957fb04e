//! Disks that are full or read-only: the partitions there say so, the others go on. Mounts small file systems, so the
//! tests are left out, and say so, where this process may not mount.

use std::path::{Path, PathBuf};
use std::process::Command;

use millrace_protocol::ErrorCode;
use millrace_tests::records::{batch, produce, read_all};
use millrace_tests::{Connection, Millrace, places, until};

/// A file system in memory, gone when dropped.
pub(super) struct SmallDisk {
    pub(super) path: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    pub(super) fn mount(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let options = format!("size={mebibytes}m");
        mount(&["-t", "tmpfs", "-o", &options, "millrace-tests"], &path).then_some(())?;
        Some(Self { path, _directory: directory })
    }

    /// A file system that the kernel can be told to find damaged, upon which it becomes read-only under whoever
    /// writes to it, as with a disk that fails.
    fn mount_fragile(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let (image, path) = (directory.path().join("image"), directory.path().join("mounted"));
        std::fs::create_dir(&path).unwrap();
        std::fs::File::create(&image).unwrap().set_len(u64::from(mebibytes) << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F", "-O", "^has_journal"]).arg(&image).output();
        made.is_ok_and(|made| made.status.success()).then_some(())?;
        mount(&["-o", "loop,errors=remount-ro", &image.display().to_string()], &path).then_some(())?;
        Some(Self { path, _directory: directory })
    }

    /// Damages a disk of [`SmallDisk::mount_fragile`].
    fn break_down(&self) {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let mut lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let device = lines.find(|fields| Path::new(fields[1]) == self.path).unwrap()[0].to_owned();
        let name = device.strip_prefix("/dev/").unwrap();
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.path));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    Command::new("mount").args(arguments).arg(path).output().is_ok_and(|output| output.status.success())
}

/// A broker with two data directories, one of them on a small disk, and the name of a topic on each.
struct TwoDisks {
    broker: Millrace,
    small: SmallDisk,
    on_small: String,
    on_large: String,
}

impl TwoDisks {
    fn start(part: &str, small: Option<SmallDisk>) -> Option<Self> {
        let Some(small) = small else {
            places::left_out(part, "file systems cannot be mounted here (not root?)");
            return None;
        };
        let large = tempfile::tempdir().unwrap().keep();
        let dirs = format!("log.dirs={},{}", large.join("data").display(), small.path.join("data").display());
        let broker = Millrace::start(&[&dirs, "log.segment.bytes=1048576", "message.max.bytes=900000"]);
        let names: Vec<_> = (0..6).map(|at| format!("topic-{at}")).collect();
        for name in &names {
            broker.create_topic(name, &[]);
        }
        let lies_in = |directory: &Path| {
            let there = names.iter().find(|name| directory.join("data").join(format!("{name}-0")).exists());
            there.expect("each directory has a topic").clone()
        };
        Some(Self { on_small: lies_in(&small.path), on_large: lies_in(&large), broker, small })
    }

    /// Appends to the topic on the small disk until that fails; returns what was acknowledged, and the error.
    fn fill(&self) -> (i64, ErrorCode) {
        let mut connection = self.broker.connect();
        for offset in 0..1000 {
            let written = produce(&mut connection, &self.on_small, record(offset));
            if written.error_code.is_err() {
                return (offset, written.error_code);
            }
            assert_eq!(written.base_offset, offset);
        }
        panic!("a thousand records of {RECORD_BYTES} bytes on a disk of a few MiB");
    }

    fn the_rest_is_served(&self) {
        let mut connection = self.broker.connect();
        for _ in 0..20 {
            let written = produce(&mut connection, &self.on_large, batch(&[b"x"]));
            assert_eq!(written.error_code, ErrorCode::NONE, "{written:?}");
        }
    }
}

const RECORD_BYTES: usize = 60_000;

fn record(number: i64) -> bytes::Bytes {
    batch(&[format!("{:0>width$}", number, width = RECORD_BYTES).as_bytes()])
}

fn numbers(connection: &mut Connection, topic: &str) -> Vec<i64> {
    let parse = |value: &[u8]| std::str::from_utf8(value).unwrap().parse::<i64>().unwrap();
    read_all(connection, topic).iter().map(|(_, value)| parse(value)).collect()
}

#[test]
fn a_full_disk_takes_its_partitions_offline_and_no_other() {
    let Some(mut disks) = TwoDisks::start("full-disk", SmallDisk::mount(12)) else { return };
    let (acknowledged, error) = disks.fill();
    assert_eq!(error, ErrorCode::KAFKA_STORAGE_ERROR);
    assert!(acknowledged > 50, "{acknowledged} records only");
    disks.the_rest_is_served();
    let output = disks.broker.process.output();
    assert!(output.contains("No space left on device"), "the log says why: {output}");

    // Room again: after a restart everything that was acknowledged is there.
    disks.small.remount("size=64m");
    disks.broker.process.terminate();
    disks.broker.start_again();
    let read = numbers(&mut disks.broker.connect(), &disks.on_small);
    let acknowledged = usize::try_from(acknowledged).unwrap();
    assert!(read.len() >= acknowledged, "{} of {acknowledged} acknowledged records are there", read.len());
    assert!(read.iter().copied().eq(0..read.len() as i64), "in order, nothing twice: {read:?}");
    let written = produce(&mut disks.broker.connect(), &disks.on_small, batch(&[b"0"]));
    assert_eq!(written.error_code, ErrorCode::NONE);
}

#[test]
fn a_disk_that_becomes_read_only_takes_its_partitions_offline_and_no_other() {
    let Some(disks) = TwoDisks::start("read-only-disk", SmallDisk::mount_fragile(64)) else { return };
    for number in 0..5 {
        let written = produce(&mut disks.broker.connect(), &disks.on_small, record(number));
        assert_eq!(written.error_code, ErrorCode::NONE);
    }
    disks.the_rest_is_served();
    disks.small.break_down();
    let written = produce(&mut disks.broker.connect(), &disks.on_small, record(5));
    assert_eq!(written.error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    disks.the_rest_is_served();
    let output = disks.broker.process.output();
    assert!(output.contains("Read-only file system"), "the log says why: {output}");
}

#[test]
fn a_read_only_directory_is_refused_at_start() {
    let Some(disk) = SmallDisk::mount(4) else {
        places::left_out("read-only-directory", "file systems cannot be mounted here (not root?)");
        return;
    };
    disk.remount("ro");
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(places::millrace());
    let data = format!("log.dirs={}", disk.path.join("data").display());
    command.args(["serve", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", "http.listen="]);
    command.args(["--override", &data]).current_dir(directory.path());
    let mut process = millrace_tests::Process::start(command, &directory.path().join("log"));
    let code = process.wait();
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    let output = process.output();
    assert!(output.contains(&disk.path.display().to_string()), "names the directory: {output}");
    assert!(output.contains("Read-only file system"), "says why: {output}");
}

#[test]
fn a_directory_that_cannot_be_is_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "in the way").unwrap();
    let mut command = Command::new(places::millrace());
    command.args(["serve", "--override", "log.dirs=./file/data", "--override", "http.listen="]);
    command.args(["--override", "listeners=PLAINTEXT://127.0.0.1:0"]).current_dir(directory.path());
    let mut process = millrace_tests::Process::start(command, &directory.path().join("log"));
    let code = until("it ends", || process.ended()).code();
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(process.output().contains("file/data"), "names the directory: {}", process.output());
}
