//! Work that must not stop half way, done by whoever waits for it, and by a task of its own once nobody does: so that
//! it costs no task, and no other thread, as long as somebody waits.

use std::pin::Pin;
use std::task::{Context, Poll};

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Does what `work` does to its end, also when this is dropped before. What it then gives is dropped too. It has to be
/// dropped within a runtime.
pub(super) fn finished<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Unpin {
    Finished {
        begun: false,
        work: Some(Box::pin(work)),
    }
}

struct Finished<T: Send + 'static> {
    begun: bool,
    /// `None` once it is done.
    work: Option<Work<T>>,
}

impl<T: Send + 'static> Future for Finished<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let work = self.work.as_mut().expect("polled after it was done");
        let done = work.as_mut().poll(context);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for Finished<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take().filter(|_| self.begun) {
            tokio::spawn(async move { drop(work.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use tokio::sync::oneshot;

    use super::finished;

    #[tokio::test]
    async fn what_was_begun_goes_on_when_nobody_waits() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let mut work = finished(async move {
            gone.await.unwrap();
            done.send(()).unwrap();
        });
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut work).poll(&mut context).is_pending());
        drop(work);
        go.send(()).unwrap();
        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn what_was_not_begun_is_not() {
        let (done, is_done) = oneshot::channel::<()>();
        drop(finished(async move { done.send(()) }));
        is_done.await.unwrap_err();
    }

    #[tokio::test]
    async fn whoever_waits_gets_it() {
        assert_eq!(finished(async { 7 }).await, 7);
    }
}
