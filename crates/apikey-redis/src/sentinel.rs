//! Asks sentinels which server is the primary.

use crate::address::Address;
use crate::client::{Command, Reply};
use crate::dial::{Dialer, Login};
use crate::fault::Fault;
use crate::vote;

pub(crate) struct Sentinels {
    pub(crate) addresses: Vec<Address>,
    /// The name of the primary and its replicas, as the sentinels know it.
    pub(crate) service: String,
    pub(crate) login: Login,
}

impl Sentinels {
    /// Asks all of them which server is the primary.
    pub(crate) async fn primary(&self, dialer: &Dialer) -> Result<Address, Fault> {
        let questions = self.addresses.iter().map(|address| {
            let (dialer, login) = (dialer.clone(), self.login.clone());
            let (address, service) = (address.clone(), self.service.clone());
            async move { ask(&dialer, &login, &address, &service).await }
        });
        vote::ask(questions, 0).await
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
