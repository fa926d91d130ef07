//! A cluster: which of its servers has a key.
//!
//! redis-rs has a client for clusters. It dials by itself, with the default provider of TLS of the whole process. So this one
//! takes its place: it finds the server, and [`Server`] does the rest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::address::Address;
use crate::client::{Command, Reply};
use crate::dial::Dialer;
use crate::fault::Fault;
use crate::kept::Kept;
use crate::server::{Answered, Patience, Server};
use crate::slots::{SLOTS, slot_of};
use crate::vote;

pub(crate) struct Cluster {
    shared: Arc<Shared>,
    map: Kept<Map>,
}

struct Shared {
    dialer: Arc<Dialer>,
    /// The servers of the URL. They are asked for the map, and so are those of the latest map.
    seeds: Vec<Address>,
    /// How often the map was read. It decides between two maps, because one may be of a server that was cut off.
    reads: AtomicUsize,
    servers: Mutex<HashMap<Address, Arc<Server>>>,
}

/// The first slot of each range, with the last one and the server that has them.
type Map = Arc<BTreeMap<u16, (u16, Address)>>;

impl Cluster {
    pub(crate) fn new(seeds: Vec<Address>, dialer: Arc<Dialer>) -> Self {
        let servers = Mutex::new(HashMap::new());
        let reads = AtomicUsize::new(0);
        Self { shared: Arc::new(Shared { dialer, seeds, reads, servers }), map: Kept::new() }
    }

    /// Sends commands to the server that has this key.
    pub(crate) async fn call(
        &self,
        key: &[u8],
        commands: Vec<Command>,
        patience: Patience,
    ) -> Result<Answered, Fault> {
        let mut address = self.address_of(key, patience).await?;
        // Perhaps another server has taken its place. A caller with a short time limit would not come to the end of the dial.
        if patience == Patience::Waits && self.shared.server(&address).has_failed() {
            self.map.forget(|_| true);
            address = self.address_of(key, patience).await?;
        }
        let answered = self.shared.server(&address).call(commands.clone(), patience).await;
        let moved_to = match &answered {
            Ok(answered) => answered.replies.iter().find_map(|reply| match reply {
                Reply::Refused(Fault::Moved(told)) => Some(told.or_host_of(&address)),
                _ => None,
            }),
            // Perhaps another server has taken its place.
            Err(_) => {
                self.renew_map();
                None
            }
        };
        let Some(moved_to) = moved_to else { return answered };
        self.map.change(|map| *map = moved(map, slot_of(key), &moved_to));
        self.renew_map();
        self.shared.server(&moved_to).call(commands, patience).await
    }

    /// The address of the server that has this key.
    pub(crate) async fn address_of(&self, key: &[u8], patience: Patience) -> Result<Address, Fault> {
        let map = match patience {
            Patience::AtOnce => self.map.at_once(|| self.shared.read_map())?,
            Patience::Waits => self.map.soon(|| self.shared.read_map()).await?,
        };
        let slot = slot_of(key);
        match map.range(..=slot).next_back() {
            Some((_, (last, address))) if slot <= *last => Ok(address.clone()),
            _ => {
                self.renew_map();
                Err(Fault::Unavailable(format!("no server of the cluster has slot {slot}")))
            }
        }
    }

    /// Every server that has keys.
    pub(crate) async fn servers(&self) -> Result<Vec<(Address, Arc<Server>)>, Fault> {
        let map = self.map.soon(|| self.shared.read_map()).await?;
        let mut addresses: Vec<Address> = map.values().map(|(_, address)| address.clone()).collect();
        addresses.sort_by_key(ToString::to_string);
        addresses.dedup();
        Ok(addresses.into_iter().map(|address| (address.clone(), self.shared.server(&address))).collect())
    }

    /// Gives up all connections, and asks for the map again.
    pub(crate) fn forget(&self) {
        self.shared.servers.lock().clear();
        self.map.forget(|_| true);
    }

    fn renew_map(&self) {
        self.map.renew(|| self.shared.read_map());
    }
}

impl Shared {
    fn server(&self, address: &Address) -> Arc<Server> {
        let new = || Arc::new(Server::found(address.clone(), Arc::clone(&self.dialer)));
        Arc::clone(self.servers.lock().entry(address.clone()).or_insert_with(new))
    }

    /// Asks all servers for the map. Then begins to connect to those that are in it.
    fn read_map(self: &Arc<Self>) -> impl Future<Output = Result<Map, Fault>> + Send + use<> {
        let shared = Arc::clone(self);
        async move {
            let known: Vec<Address> = shared.servers.lock().keys().cloned().collect();
            let others = shared.seeds.iter().filter(|seed| !known.contains(seed));
            let questions = known.iter().chain(others).cloned().map(|address| {
                let shared = Arc::clone(&shared);
                async move { shared.ask(&address).await }
            });
            let map = vote::ask(questions, shared.reads.fetch_add(1, Ordering::Relaxed)).await?;
            let in_use = |address: &Address| map.values().any(|(_, used)| used == address);
            shared.servers.lock().retain(|address, _| in_use(address));
            map.values().for_each(|(_, address)| shared.server(address).prepare());
            Ok(map)
        }
    }

    async fn ask(&self, address: &Address) -> Result<Map, Fault> {
        let question = vec![Command::new("CLUSTER").arg("SLOTS")];
        let answered = self.server(address).call(question, Patience::Waits).await?;
        let reply = answered.replies.into_iter().next().unwrap_or(Reply::Nothing);
        let reply = reply.accepted().map_err(|fault| match fault {
            Fault::Misconfigured(said) => {
                let advice = "if it is no cluster, write `redis://` instead of `redis-cluster://`";
                Fault::Misconfigured(format!("{address} shows no map of a cluster ({said}): {advice}"))
            }
            fault => fault,
        })?;
        map_of(reply, address).ok_or_else(|| Fault::unexpected("the map of the cluster"))
    }
}

/// Reads the reply to `CLUSTER SLOTS`. A server that names no host means the one that was asked.
fn map_of(reply: Reply, asked: &Address) -> Option<Map> {
    let mut map = BTreeMap::new();
    for range in reply.into_list()? {
        let mut parts = range.into_list()?.into_iter();
        let first = u16::try_from(parts.next()?.into_number()?).ok()?;
        let last = u16::try_from(parts.next()?.into_number()?).ok()?;
        // The primary is the first of the servers.
        let mut primary = parts.next()?.into_list()?.into_iter();
        let host = primary.next()?.into_text().filter(|host| host != "?").unwrap_or_default();
        let port = primary.next()?.into_number()?.try_into().ok()?;
        map.insert(first, (last.min(SLOTS - 1), Address { host, port }.or_host_of(asked)));
    }
    Some(Arc::new(map))
}

/// The map after a slot has moved.
fn moved(map: &Map, slot: u16, to: &Address) -> Map {
    let mut map = BTreeMap::clone(map);
    let range = map.range(..=slot).next_back().map(|(first, range)| (*first, range.clone()));
    if let Some((first, (last, from))) = range.filter(|(_, (last, _))| slot <= *last) {
        map.remove(&first);
        if first < slot {
            map.insert(first, (slot - 1, from.clone()));
        }
        if slot < last {
            map.insert(slot + 1, (last, from));
        }
    }
    map.insert(slot, (slot, to.clone()));
    Arc::new(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address { host: "10.0.0.1".to_owned(), port }
    }

    fn number(number: i64) -> Reply {
        Reply::Number(number)
    }

    #[test]
    fn the_map_of_a_cluster_is_read() {
        let server = |host: &[u8], port| Reply::List(vec![Reply::Bytes(host.to_vec()), number(port)]);
        let reply = Reply::List(vec![
            Reply::List(vec![number(0), number(8000), server(b"10.0.0.1", 1), server(b"10.0.0.1", 9)]),
            Reply::List(vec![number(8001), number(16383), server(b"", 2)]),
        ]);
        let map = map_of(reply, &at(7000)).unwrap();
        assert_eq!(*map, BTreeMap::from([(0, (8000, at(1))), (8001, (16383, at(2)))]));
        for odd in [Reply::Nothing, Reply::List(vec![number(1)]), Reply::List(vec![Reply::List(vec![])])] {
            assert_eq!(map_of(odd, &at(1)), None);
        }
    }

    #[test]
    fn a_moved_slot_leaves_the_others_where_they_are() {
        let map: Map = Arc::new(BTreeMap::from([(0, (9, at(1)))]));
        let after = moved(&moved(&moved(&map, 5, &at(2)), 0, &at(2)), 12, &at(3));
        let server = |slot: u16| {
            let (_, (last, address)) = after.range(..=slot).next_back()?;
            (slot <= *last).then_some(address.port)
        };
        assert_eq!(
            [0, 1, 4, 5, 6, 9, 10, 12, 13].map(|slot| server(slot).unwrap_or(0)),
            [2, 1, 1, 2, 1, 1, 0, 3, 0]
        );
    }
}
