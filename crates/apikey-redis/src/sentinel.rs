//! Asks sentinels which server is the primary.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::Address;
use crate::client::{Command, Reply};
use crate::dial::{Dialer, Login};
use crate::fault::Fault;

/// How long a sentinel may take. The rest of the time for a dial is for the primary.
const LIMIT: Duration = Duration::from_millis(300);

pub(crate) struct Sentinels {
    pub(crate) addresses: Vec<Address>,
    /// The name of the primary and its replicas, as the sentinels know it.
    pub(crate) service: String,
    pub(crate) login: Login,
}

impl Sentinels {
    /// Asks all of them at once, until more than half of them name the same address. If they don't, the address is taken that
    /// most of them name.
    pub(crate) async fn primary(&self, dialer: &Dialer) -> Result<Address, Fault> {
        let mut asked = JoinSet::new();
        for address in &self.addresses {
            let (dialer, login) = (dialer.clone(), self.login.clone());
            let (address, service) = (address.clone(), self.service.clone());
            asked.spawn(async move {
                let answer = timeout(LIMIT, ask(&dialer, &login, &address, &service)).await;
                answer.unwrap_or_else(|_| Err(Fault::late(LIMIT)))
            });
        }
        let mut named: Vec<Address> = Vec::new();
        let mut fault = Fault::Unavailable("no sentinel answers".to_owned());
        let votes =
            |named: &[Address], candidate: &Address| named.iter().filter(|other| *other == candidate).count();
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(primary)) => {
                    named.push(primary.clone());
                    if votes(&named, &primary) * 2 > self.addresses.len() {
                        return Ok(primary);
                    }
                }
                Ok(Err(problem)) => fault = problem,
                Err(_) => {}
            }
        }
        named.iter().max_by_key(|candidate| votes(&named, candidate)).cloned().ok_or(fault)
    }
}

async fn ask(dialer: &Dialer, login: &Login, address: &Address, service: &str) -> Result<Address, Fault> {
    let connection = dialer.connection_as(login, address).await?;
    let question = Command::new("SENTINEL").arg("get-master-addr-by-name").arg(service);
    let answer = connection.send(vec![question]).await?.into_iter().next().unwrap_or(Reply::Nothing);
    let primary = match answer.accepted()? {
        Reply::Nothing => {
            let problem = format!("the sentinel {address} does not know the service '{service}'");
            return Err(Fault::Misconfigured(problem));
        }
        reply => reply.into_array(),
    };
    let named = primary.and_then(|[host, port]: [Reply; 2]| {
        Some(Address { host: host.into_text()?, port: port.into_number()?.try_into().ok()? })
    });
    named.ok_or_else(|| Fault::unexpected("the address of the primary"))
}
