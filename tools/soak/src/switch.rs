//! A name whose address changes: it passes new connections on to its present address.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) struct Switch {
    address: SocketAddr,
    leads_to: Arc<Mutex<SocketAddr>>,
    task: JoinHandle<()>,
}

impl Switch {
    pub(crate) async fn start(leads_to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let leads_to = Arc::new(Mutex::new(leads_to));
        let target = Arc::clone(&leads_to);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let target = *target.lock().unwrap_or_else(PoisonError::into_inner);
                connections.spawn(pass_on(near, target));
            }
        });
        Ok(Self { address, leads_to, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Passes new connections on to this address. Open ones stay as they are.
    pub(crate) fn lead_to(&self, address: SocketAddr) {
        *self.leads_to.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut near: TcpStream, target: SocketAddr) {
    // The end of one side's connection ends the other's, too.
    if let Ok(mut far) = TcpStream::connect(target).await {
        let _broken = copy_bidirectional(&mut near, &mut far).await;
    }
}
