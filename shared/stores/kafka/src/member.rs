//! Processing's side: the way to a member of a group, which is in a thread of its own.

use std::{sync::mpsc, thread};

use async_trait::async_trait;
use questline_stores::log::{Consumer, LogError, PollLimits, Polled, Transaction};
use tokio::sync::oneshot;

use crate::{
    client::Context, membership::Membership, native::keep_little_free, settings::Settings,
    worker::Worker,
};

/// What the thread is asked.
pub(crate) enum Request {
    Poll(PollLimits, oneshot::Sender<Result<Polled, LogError>>),
    Commit(Transaction, oneshot::Sender<Result<(), LogError>>),
}

/// The way to the thread. Its end is the member's end.
pub(crate) struct Member {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Member {
    pub(crate) fn join(
        settings: &Settings,
        context: &Context,
        group: &str,
        log_id: &str,
    ) -> Result<Self, LogError> {
        keep_little_free();
        let membership = Membership {
            settings: settings.clone(),
            context: context.clone(),
            group: group.to_owned(),
            log_id: log_id.to_owned(),
        };
        let worker = Worker::begin(membership, group)?;
        let (requests, inbox) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("kafka-member".to_owned())
            .spawn(move || worker.run(&inbox))
            .map_err(|error| LogError::Unavailable(error.into()))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Request,
    ) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        if let Some(requests) = &self.requests {
            _ = requests.send(request(reply));
        }
        // A thread that has ended does not begin again.
        let gone = || LogError::Misconfigured("the thread of its member has ended".to_owned());
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // It leaves the group; a panic there has been shown already.
            _ = thread.join();
        }
    }
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, LogError> {
        self.ask(|reply| Request::Poll(limits, reply)).await
    }

    async fn commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        self.ask(|reply| Request::Commit(transaction, reply)).await
    }
}

#[cfg(test)]
mod tests {
    use questline_stores::contract::log::LIMITS;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_is_gone_is_not_waited_for() {
        let (requests, inbox) = mpsc::channel();
        drop(inbox);
        let mut member = Member { requests: Some(requests), thread: None };
        let polled = member.poll(LIMITS).await;
        assert!(matches!(polled, Err(LogError::Misconfigured(_))), "{polled:?}");
    }
}
