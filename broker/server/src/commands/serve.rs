//! `millrace serve`: reads the configuration, runs the broker, and tells it what signals say.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::{Inputs, LiveConfig, Notice};
use crate::logging::{self, LogFormat, LogLevels};
use crate::startup;

/// Threads for what waits for the disk.
const BLOCKING_THREADS_MAX: usize = 64;

/// A second Ctrl-C sooner than this is the first one, heard twice.
const IMPATIENT_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// A server.properties file, as Kafka's
    #[arg(env = "MILLRACE_PROPERTIES")]
    properties: Option<PathBuf>,
    /// A setting that beats the file and the environment; may be given several times
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The id of a new cluster, 16 bytes in base64; random otherwise
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// How lines of the log look; text on a terminal, and without it as well
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "MILLRACE_LOG_FORMAT")]
    log_format: LogFormat,
    /// How much is logged: LEVEL, or TARGET=LEVEL, several with commas
    #[arg(long, value_name = "LEVELS", default_value = "info", env = "MILLRACE_LOG_LEVEL")]
    log_level: String,
}

impl Serve {
    pub(super) fn run(self) -> ExitCode {
        let levels = match logging::start(self.log_format, &self.log_level) {
            Ok(levels) => levels,
            Err(reason) => return refuse(&format!("--log-level: {reason}")),
        };
        let inputs = Inputs {
            file: self.properties,
            environment: utf8_variables(),
            overrides: self.overrides,
            cluster_id: self.cluster_id,
        };
        let (config, notices) = match LiveConfig::load_from(inputs) {
            Ok(loaded) => loaded,
            Err(refused) => return refuse(&refused.to_string()),
        };
        notices.iter().for_each(Notice::log);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("millrace")
            .build();
        let served = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
            let served = runtime.block_on(serve(Arc::new(config), levels));
            // What a client still holds up must not hold up the end.
            runtime.shutdown_background();
            served
        });
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                error!("{reason:#}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Variables that are not text cannot be settings.
fn utf8_variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn refuse(reason: &str) -> ExitCode {
    let (bold, plain) = if std::io::stderr().is_terminal() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    for line in reason.lines() {
        eprintln!("{bold}error:{plain} {line}");
    }
    ExitCode::from(2)
}

async fn serve(config: Arc<LiveConfig>, levels: LogLevels) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let signals = Signals::listen()?;
    let _signals = tokio::spawn(signals.run(Arc::clone(&config), shutdown.clone()));
    // In a task of its own, so that work that blocks hands its other tasks to another thread.
    tokio::spawn(startup::run(config, levels, shutdown)).await?
}

/// The signals that a broker minds.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn run(mut self, config: Arc<LiveConfig>, shutdown: CancellationToken) {
        let mut asked = None;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => shutdown.cancel(),
                _ = self.interrupt.recv() => interrupt(&shutdown, &mut asked),
                _ = self.hang_up.recv() => reload(&config),
            }
        }
    }
}

/// Whoever types Ctrl-C again does not want to wait any more. What comes at once with the first one was
/// sent to the whole process group as well, and SIGTERM is repeated by supervisors: neither is impatience.
fn interrupt(shutdown: &CancellationToken, asked: &mut Option<Instant>) {
    if asked.is_some_and(|asked| asked.elapsed() >= IMPATIENT_AFTER) {
        warn!("interrupted a second time: leaving at once, the next start recovers");
        std::process::exit(1);
    }
    asked.get_or_insert_with(Instant::now);
    shutdown.cancel();
}

fn reload(config: &LiveConfig) {
    match config.reload() {
        Ok(reloaded) => {
            if !reloaded.restart_needed.is_empty() {
                warn!("these settings change with the next start: {}", reloaded.restart_needed.join(", "));
            }
            match reloaded.applied.as_slice() {
                [] => info!("configuration read again; nothing to change"),
                applied => info!("configuration read again; changed: {}", applied.join(", ")),
            }
        }
        Err(refused) => {
            for problem in refused.0 {
                error!("configuration not taken: {problem}");
            }
        }
    }
}
