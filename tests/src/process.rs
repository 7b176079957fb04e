//! One child process with its output in a file, ended for certain and by its own id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::waiting::until;

/// A program that runs beside the test; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its standard output and error appended to `log`.
    #[must_use]
    pub fn start(mut command: Command, log: &Path) -> Self {
        let sink = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(sink.try_clone().unwrap()).stderr(sink);
        Self { child: command.spawn().unwrap(), log: log.to_owned() }
    }

    /// Everything the program has printed.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for it to end by itself; returns its exit code, `None` when a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let what = format!("{} ends: {}", self.log.display(), self.output());
        until(&what, || self.ended()).code()
    }

    /// Asks it to end, and waits.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A line of `/proc/PID/status` in kibibytes, such as `VmRSS` or `VmHWM`.
    #[must_use]
    pub fn status_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Threads it has now.
    #[must_use]
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().count()
    }

    /// Files that are mapped into its memory now.
    #[must_use]
    pub fn mapped_files(&self) -> Vec<String> {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap();
        // Address, rights, offset, device, inode, and the path where there is one.
        let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect()
    }

    /// Descriptors it has open now.
    #[must_use]
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
