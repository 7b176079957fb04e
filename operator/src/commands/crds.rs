//! `millrace-operator crds`: the resource definitions as YAML, for `kubectl apply -f -`.

use std::io::Write;
use std::process::ExitCode;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for crd in millrace_crds::all()? {
        write!(out, "---\n{}", millrace_crds::to_yaml(&crd)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
