//! One attempt at one resource: it has a limit, is measured, and counts for or against the resource.

use std::future::Future;
use std::time::Duration;

use kube::runtime::controller::Action;

use crate::api::attempts::Attempts;
use crate::api::error::ReconcileError;
use crate::metrics::Metrics;
use crate::names::ObjectKey;

/// An attempt that has not come to its end by then is given up and made again: an answer that never comes would keep
/// its object from being looked at for ever. Calls to brokers and their retries end sooner.
const LONGEST: Duration = Duration::from_secs(180);
/// The longest wait for what must happen first and nobody tells about: brokers that answer again, a namespace
/// that goes.
const WAITING_MAX: Duration = Duration::from_secs(15);

/// Makes it.
///
/// # Errors
/// Those of `pass`, and that it took too long. What is missing together with its namespace is no error.
pub(super) async fn make(
    kind: &'static str,
    key: &ObjectKey,
    metrics: &Metrics,
    attempts: &Attempts,
    pass: impl Future<Output = Result<Action, ReconcileError>>,
) -> Result<Action, ReconcileError> {
    let began = metrics.started(kind);
    let result = match tokio::time::timeout(LONGEST, pass).await {
        Ok(Err(error)) if error.is_farewell() => Ok(Action::await_change()),
        Ok(result) => result,
        Err(_) => Err(ReconcileError::TimedOut(LONGEST)),
    };
    match &result {
        // Neither done nor failed.
        Err(error) if error.comes_back_after().is_some() => {}
        Ok(_) => {
            attempts.clear(kind, key);
            metrics.succeeded(kind, key, began.elapsed());
        }
        Err(error) => metrics.failed(kind, error.class(), began.elapsed()),
    }
    result
}

/// How long the next one has to wait after this error.
pub(super) fn wait(
    kind: &'static str,
    key: &ObjectKey,
    attempts: &Attempts,
    error: &ReconcileError,
) -> Duration {
    let wait = attempts.failed(kind, key.clone());
    match error {
        // What goes may keep its namespace from going, which nobody tells.
        ReconcileError::Waiting(_) => wait.min(WAITING_MAX),
        _ => wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Figures;

    const KIND: &str = "Topic";

    fn key() -> ObjectKey {
        ObjectKey { namespace: "n".into(), name: "orders".into() }
    }

    fn page(metrics: &Metrics) -> String {
        String::from_utf8(metrics.page(&Figures::new().unwrap()).unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_is_given_up_and_counted_as_a_failure() {
        let (metrics, attempts) = (Metrics::new().unwrap(), Attempts::default());
        let began = tokio::time::Instant::now();
        let result = make(KIND, &key(), &metrics, &attempts, std::future::pending()).await;
        assert!(matches!(result, Err(ReconcileError::TimedOut(LONGEST))), "{result:?}");
        assert_eq!(began.elapsed(), LONGEST);
        let page = page(&metrics);
        let has = |line: &str| assert!(page.contains(line), "{line} is not in\n{page}");
        has("millrace_reconcile_errors_total{class=\"timeout\",kind=\"Topic\"} 1\n");
        has("millrace_reconcile_in_progress{kind=\"Topic\"} 0\n");
        has("millrace_reconcile_total{kind=\"Topic\"} 1\n");
        assert!(!page.contains("name=\"orders\""), "a failure is no success");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_until_an_attempt_succeeds_and_not_beyond_what_nobody_tells() {
        let (metrics, attempts) = (Metrics::new().unwrap(), Attempts::default());
        let failed = |error: ReconcileError| wait(KIND, &key(), &attempts, &error).as_secs_f64();
        let timed_out = || ReconcileError::TimedOut(LONGEST);
        let waits: Vec<f64> = (0..6).map(|_| failed(timed_out())).collect();
        assert!(waits.is_sorted() && waits[0] < 1.3 && waits[5] > 20.0, "{waits:?}");
        assert!(failed(ReconcileError::Waiting("for the brokers".into())) <= WAITING_MAX.as_secs_f64());
        // To have no turn is no success, and no failure.
        let turned_away =
            make(KIND, &key(), &metrics, &attempts, async { Err(ReconcileError::NotItsTurn) }).await;
        assert!(turned_away.is_err());
        assert!(failed(timed_out()) > 60.0);
        let done = make(KIND, &key(), &metrics, &attempts, async { Ok(Action::await_change()) }).await;
        assert!(done.is_ok());
        assert!(failed(timed_out()) < 1.3);
        assert!(page(&metrics).contains("millrace_reconcile_total{kind=\"Topic\"} 1\n"));
    }
}
