//! Connections as tests control them.

use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{answer::Ending, faults::Fault, lock::locked};

/// A command to a connection.
pub(crate) enum Order {
    /// End at once, also with open calls.
    Cut,
    /// Stay open, and never read or write again.
    Silence,
    /// Answer the open calls, then end.
    Drain,
    /// End in this way instead of answering.
    End(Ending),
}

/// One open connection, seen from outside.
pub(crate) struct Link {
    number: u64,
    backend: usize,
    orders: mpsc::UnboundedSender<Order>,
    silent: AtomicBool,
    reset_at_next_use: AtomicBool,
    uses: AtomicU64,
    activity: watch::Sender<Activity>,
}

#[derive(Default)]
struct Activity {
    open_calls: usize,
    /// `None` before the first answer and while a call is open.
    idle_since: Option<Instant>,
}

impl Link {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The index of the backend that serves this connection.
    pub(crate) fn backend(&self) -> usize {
        self.backend
    }

    /// Whether the connection neither reads nor writes any more.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    /// Sends the command. The connection follows it at its next step.
    pub(crate) fn order(&self, order: Order) {
        // An error means that the connection has ended, so it needs no command.
        let _ = self.orders.send(order);
    }

    /// Silences the connection. Returns `false` if it is silent already.
    fn silence(&self) -> bool {
        let is_new = !self.silent.swap(true, Ordering::SeqCst);
        self.order(Order::Silence);
        is_new
    }

    /// Counts a complete request. Returns the connection's own fault, if there is one.
    pub(crate) fn used(&self, close_at: Option<u64>) -> Option<Fault> {
        let uses = self.uses.fetch_add(1, Ordering::SeqCst) + 1;
        if self.reset_at_next_use.load(Ordering::SeqCst) {
            return Some(Fault::Reset);
        }
        close_at.is_some_and(|close_at| uses >= close_at).then_some(Fault::Close)
    }

    /// Marks a call as open for as long as the result lives.
    pub(crate) fn open_call(self: &Arc<Self>) -> OpenCall {
        self.activity.send_modify(|activity| {
            activity.open_calls += 1;
            activity.idle_since = None;
        });
        OpenCall { link: self.clone() }
    }

    /// Waits until the connection has been idle after an answer for as long as the setting says.
    pub(crate) async fn idle_too_long(&self, setting: &watch::Sender<Option<Duration>>) {
        let (mut setting, mut activity) = (setting.subscribe(), self.activity.subscribe());
        loop {
            let (pause, idle_since) = (*setting.borrow_and_update(), activity.borrow_and_update().idle_since);
            let end = pause.zip(idle_since).and_then(|(pause, since)| since.checked_add(pause));
            let timer = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                // An error would mean that a sender is gone, but both are borrowed.
                _ = activity.changed() => {}
                _ = setting.changed() => {}
                () = timer => return,
            }
        }
    }
}

/// A call whose request has arrived and whose answer the HTTP server has not taken yet.
pub(crate) struct OpenCall {
    link: Arc<Link>,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.link.activity.send_modify(|activity| {
            activity.open_calls -= 1;
            if activity.open_calls == 0 {
                activity.idle_since = Some(Instant::now());
            }
        });
    }
}

/// All open connections, and the settings for each of them.
#[derive(Default)]
pub(crate) struct Links {
    open: Mutex<HashMap<u64, Arc<Link>>>,
    accepted: AtomicU64,
    hanging: AtomicBool,
    /// 0: never.
    close_at_use: AtomicU64,
    close_when_idle: watch::Sender<Option<Duration>>,
}

impl Links {
    pub(crate) fn close_at_use(&self) -> Option<u64> {
        Some(self.close_at_use.load(Ordering::SeqCst)).filter(|close_at| *close_at > 0)
    }

    pub(crate) fn set_close_at_use(&self, close_at: Option<u64>) {
        self.close_at_use.store(close_at.unwrap_or_default(), Ordering::SeqCst);
    }

    pub(crate) fn close_when_idle(&self) -> &watch::Sender<Option<Duration>> {
        &self.close_when_idle
    }

    pub(crate) fn hang_new(&self, hanging: bool) {
        self.hanging.store(hanging, Ordering::SeqCst);
    }

    /// Sends a command to all connections except one. Returns how many followed it.
    fn tell(&self, except: Option<u64>, order: impl Fn(&Link) -> bool) -> usize {
        let open = locked(&self.open);
        open.values().filter(|link| Some(link.number) != except && order(link)).count()
    }

    /// Cuts all connections. Silent ones stay open, because their peers must not notice anything.
    pub(crate) fn cut(&self, except: Option<u64>) -> usize {
        self.tell(except, |link| {
            link.order(Order::Cut);
            !link.is_silent()
        })
    }

    pub(crate) fn silence(&self, except: Option<u64>) -> usize {
        self.tell(except, Link::silence)
    }

    pub(crate) fn drain(&self, except: Option<u64>) -> usize {
        self.tell(except, |link| {
            link.order(Order::Drain);
            !link.is_silent()
        })
    }

    pub(crate) fn reset_once(&self, except: Option<u64>) -> usize {
        self.tell(except, |link| {
            link.reset_at_next_use.store(true, Ordering::SeqCst);
            !link.is_silent()
        })
    }
}

/// Keeps a connection among the open ones for as long as this lives.
pub(crate) struct Registration {
    links: Arc<Links>,
    pub(crate) link: Arc<Link>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
}

impl Registration {
    /// Registers a connection that was just accepted, with its backend.
    pub(crate) fn new(links: Arc<Links>, backend: usize) -> Registration {
        let (sender, orders) = mpsc::unbounded_channel();
        let link = Arc::new(Link {
            number: links.accepted.fetch_add(1, Ordering::SeqCst),
            backend,
            orders: sender,
            silent: AtomicBool::new(links.hanging.load(Ordering::SeqCst)),
            reset_at_next_use: AtomicBool::default(),
            uses: AtomicU64::default(),
            activity: watch::Sender::default(),
        });
        locked(&links.open).insert(link.number, link.clone());
        Registration { links, link, orders }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        locked(&self.links.open).remove(&self.link.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Arc<Link> {
        Arc::new(Link {
            number: 0,
            backend: 0,
            orders: mpsc::unbounded_channel().0,
            silent: AtomicBool::default(),
            reset_at_next_use: AtomicBool::default(),
            uses: AtomicU64::default(),
            activity: watch::Sender::default(),
        })
    }

    #[test]
    fn the_nth_use_and_every_later_one_closes() {
        let link = link();
        let closes: Vec<bool> = (0..4).map(|_| link.used(Some(3)).is_some()).collect();
        assert_eq!(closes, [false, false, true, true]);
        assert!(link.used(None).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_that_has_answered_is_idle() {
        let (link, setting) = (link(), watch::Sender::new(Some(Duration::from_secs(5))));
        let patience = Duration::from_secs(3600);
        assert!(tokio::time::timeout(patience, link.idle_too_long(&setting)).await.is_err());
        let calls = [link.open_call(), link.open_call()];
        assert!(tokio::time::timeout(patience, link.idle_too_long(&setting)).await.is_err());
        drop(calls);
        let start = Instant::now();
        link.idle_too_long(&setting).await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        setting.send_replace(None);
        assert!(tokio::time::timeout(patience, link.idle_too_long(&setting)).await.is_err());
    }
}
