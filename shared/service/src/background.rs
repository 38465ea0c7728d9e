//! A runtime of its own for work that gives way to what serves.

use std::io;
use std::num::NonZero;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::context::TokioContext;

/// May be dropped where another runtime runs; what it still does then ends by itself or with the process.
pub struct Background {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Background {
    /// `niceness` as in setpriority(2), 0 to 19, of all its threads and of those that they start: 5 is about a quarter of a
    /// core that others want as well, 10 a tenth.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn start(name: &'static str, threads: usize, niceness: i32) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .on_thread_start(move || give_way(niceness))
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `work` on these threads, with everything that it opens (connections of a pool, timers) left to the runtime
    /// of whoever calls this: others may use that later, and must not wait for threads that give way.
    pub fn lend(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle
            .spawn(TokioContext::new(work, Handle::current()));
    }
}

/// Half of the cores, at least one.
#[must_use]
pub fn half_of_the_cores() -> usize {
    std::thread::available_parallelism()
        .map_or(1, NonZero::get)
        .div_ceil(2)
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lets other threads go first where all of them would fill the cores.
#[cfg(target_os = "linux")]
fn give_way(niceness: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        tracing::debug!(%error, "background threads run as urgently as the others");
    }
}

/// It would be the whole process that gives way.
#[cfg(not(target_os = "linux"))]
fn give_way(_niceness: i32) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::Arc;

    use rustix::process::getpriority_process;

    use super::*;

    fn niceness() -> i32 {
        getpriority_process(None).expect("of this thread")
    }

    #[test]
    fn its_threads_alone_give_way() {
        let (own, given_way) = (niceness(), (niceness() + 5).min(19));
        let background = Background::start("given way", 2, given_way).unwrap();
        let handle = background.handle();
        let (started, blocking) = handle.block_on(async {
            let started = handle.spawn(async { niceness() });
            let blocking = handle.spawn_blocking(niceness);
            (started.await.unwrap(), blocking.await.unwrap())
        });
        assert_eq!((started, blocking), (given_way, given_way));
        assert_eq!(niceness(), own);
    }

    #[tokio::test]
    async fn what_it_is_lent_keeps_its_own_runtime() {
        let given_way = (niceness() + 5).min(19);
        let background = Background::start("lent", 1, given_way).unwrap();
        let (say, said) = tokio::sync::oneshot::channel();
        background.lend(async move {
            let spawned = tokio::spawn(async { niceness() }).await.unwrap();
            say.send((niceness(), Handle::current().id(), spawned))
                .unwrap();
        });
        let expected = (given_way, Handle::current().id(), niceness());
        assert_eq!(said.await.unwrap(), expected);
    }

    #[tokio::test]
    async fn the_last_who_holds_it_may_be_what_it_runs() {
        let background = Arc::new(Background::start("held", 1, niceness()).unwrap());
        let (say, said) = tokio::sync::oneshot::channel();
        let (drop_it, dropped) = tokio::sync::oneshot::channel::<()>();
        let own = Arc::clone(&background);
        background.lend(async move {
            dropped.await.unwrap();
            drop(own);
            say.send(()).unwrap();
        });
        drop(background);
        drop_it.send(()).unwrap();
        said.await.unwrap();
    }
}
