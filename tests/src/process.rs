//! One child process with its output in a file, ended for certain and by its own id.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::io::Errno;
use rustix::net::getpeername;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};

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

impl Process {
    /// Bytes that it has written to files, and sent out of files without reading them (`sendfile`). What it sends
    /// out of its memory is not among them.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
        line.parse().unwrap()
    }

    /// Its end of the connection from `client`, shared with this process, once it has accepted it.
    ///
    /// # Errors
    /// `PERM` or `NOSYS` where the system lets no process look into its children so.
    pub fn socket_of(&self, client: SocketAddr) -> rustix::io::Result<Option<OwnedFd>> {
        let process = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        for entry in std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap() {
            let entry = entry.unwrap();
            // It may be closed meanwhile.
            let Ok(target) = std::fs::read_link(entry.path()) else { continue };
            if !target.to_string_lossy().starts_with("socket:") {
                continue;
            }
            let number = entry.file_name().to_string_lossy().parse().unwrap();
            let socket = match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
                Err(Errno::BADF) => continue,
                socket => socket?,
            };
            let peer = getpeername(&socket).ok().flatten().and_then(|peer| SocketAddr::try_from(peer).ok());
            if peer == Some(client) {
                return Ok(Some(socket));
            }
        }
        Ok(None)
    }

    /// Addresses that it listens on.
    #[must_use]
    pub fn listens_on(&self) -> Vec<SocketAddr> {
        const LISTENING: &str = "0A";
        let own: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect();
        let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{}/net/{table}", self.child.id()));
        let tables: String = tables.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        let sockets = tables.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let listening = sockets.filter(|fields| {
            fields.get(3) == Some(&LISTENING) && own.contains(&format!("socket:[{}]", fields[9]))
        });
        listening.map(|fields| address(fields[1])).collect()
    }
}

/// An address as the kernel's tables write it: words of the machine's own order, in hexadecimal.
fn address(text: &str) -> SocketAddr {
    let (host, port) = text.split_once(':').unwrap();
    let word = |at: usize| u32::from_str_radix(&host[at..at + 8], 16).unwrap().to_ne_bytes();
    let host = if host.len() == 8 {
        IpAddr::from(word(0))
    } else {
        let bytes: Vec<_> = (0..32).step_by(8).flat_map(word).collect();
        IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap())
    };
    SocketAddr::new(host, u16::from_str_radix(port, 16).unwrap())
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
