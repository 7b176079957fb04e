//! Asks many questions in one request: what is asked while an answer is on its way goes into the next
//! request together. Knows nothing of what is asked.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

/// So many questions wait; further askers wait for a place.
const WAITING_MAX: usize = 1024;

/// Hands questions to a task that asks them together.
#[derive(Debug)]
pub struct Batch<Q, A> {
    questions: mpsc::Sender<(Q, oneshot::Sender<A>)>,
}

impl<Q: Send + 'static, A: Send + 'static> Batch<Q, A> {
    /// Starts the task. `ask` gets at most `together` questions and answers them in their order. The task
    /// ends when this is dropped.
    pub fn start<F, R>(together: usize, mut ask: F) -> Self
    where
        F: FnMut(Vec<Q>) -> R + Send + 'static,
        R: Future<Output = Vec<A>> + Send,
    {
        let (questions, mut waiting) = mpsc::channel::<(Q, oneshot::Sender<A>)>(WAITING_MAX);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while waiting.recv_many(&mut taken, together).await > 0 {
                // Who went away while others were answered needs no answer.
                taken.retain(|(_, reply)| !reply.is_closed());
                if taken.is_empty() {
                    continue;
                }
                let (asked, replies): (Vec<Q>, Vec<_>) = taken.drain(..).unzip();
                for (reply, answer) in replies.into_iter().zip(ask(asked).await) {
                    let _ = reply.send(answer);
                }
            }
        });
        Self { questions }
    }

    /// Asks one question. `None` when the task gave no answer.
    pub async fn ask(&self, question: Q) -> Option<A> {
        let (reply, answer) = oneshot::channel();
        self.questions.send((question, reply)).await.ok()?;
        answer.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn questions_that_come_meanwhile_are_asked_together() {
        let (sizes, mut seen) = mpsc::unbounded_channel();
        let batch = Batch::start(10, move |numbers: Vec<u32>| {
            sizes.send(numbers.len()).unwrap();
            async move {
                tokio::task::yield_now().await;
                numbers.into_iter().map(|number| number * 2).collect()
            }
        });
        let answers = futures_util::future::join_all((0..25).map(|number| batch.ask(number))).await;
        let expected: Vec<Option<u32>> = (0..25).map(|number| Some(number * 2)).collect();
        assert_eq!(answers, expected);
        drop(batch);
        let mut requests = Vec::new();
        while let Some(size) = seen.recv().await {
            requests.push(size);
        }
        assert!(requests.len() <= 5 && requests.iter().all(|size| *size <= 10), "{requests:?}");
    }
}
