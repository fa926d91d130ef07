//! Redis or Valkey as the store of a fleet: the instances of an API share verifications, limits of attempts, and removals.
//!
//! ```no_run
//! use apikey_core::fleet::FleetStore as _;
//! use apikey_redis::RedisStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::from_env()?; // REDIS_URL
//! store.check().await?; // optional: says at start-up what is wrong
//! # Ok(()) }
//! ```
//!
//! Hand the store to `AuthenticatorBuilder::shared` with the secrets of the fleet. The store holds sealed bytes, and decides
//! nothing. `docs/fleet.md` says what a fleet promises.
//!
//! # The URL
//!
//! | servers | URL |
//! | --- | --- |
//! | one | `redis://user:password@host:6379/0` |
//! | the primary that sentinels name | `redis-sentinel://user:password@sentinel:26379/0?node=sentinel2:26379&sentinelServiceName=main` |
//! | a cluster | `redis-cluster://user:password@host:6379?node=host2:6379` |
//!
//! - With `rediss`, `rediss-sentinel` or `rediss-cluster` all connections use TLS. `valkey` and `valkeys` mean the same as
//!   `redis` and `rediss`.
//! - User, password, port and database may be missing. Encode what is special in a password, such as `/` as `%2F`.
//! - `node` names another sentinel, or another server of the cluster. It may be repeated. One that answers is enough.
//! - `sentinelUsername` and `sentinelPassword` are for sentinels that ask for a login of their own.
//!
//! [`RedisStoreBuilder`] also takes a prefix of all keys, and certificates of private authorities. Building fails if a
//! setting is wrong, and never because a server is away.
//!
//! # The servers
//!
//! - **Redis 7 or later, or Valkey 7.2 or later.** The tests run with Redis 7.0 and Valkey 9.1. A server that only resembles them
//!   must refuse scripts without the flag `no-writes` on replicas. The store rests on that.
//! - **Eviction:** `noeviction`, `allkeys-lru` or `allkeys-lfu`. The log of removals has no expiry and is read four times a
//!   second, so these never choose it. The policies that begin with `volatile-` can't choose it, either. Don't use
//!   `allkeys-random`.
//! - **A full server:** removals still work, because their scripts may exceed `maxmemory`. Entries and attempts are no longer
//!   shared.
//! - **Persistence** is not needed.
//! - **Replicas:** set `min-replicas-to-write 1` and `min-replicas-max-lag`. Then a primary that was cut off from its replicas
//!   refuses to say that an instance is up to date. Replication may lose a removal that was just acknowledged. The instances
//!   tell it again. The store does not send `WAIT`: it would make the loss less likely, and not impossible.
//!   In a cluster, a primary that was cut off answers for up to `cluster-node-timeout`.
//! - **Several regions that all take writes** (active-active) are not supported: their writes have no single order, so no
//!   pull could promise to show all removals. The store can't notice this by itself.
//! - **Clusters:** the log of a fleet is one key, so it is on one server. Entries and windows are spread over all of them.
//!   While a slot moves to another server, calls for its keys fail for moments. With TLS, the certificates must be for the
//!   names or addresses that the servers announce.
//!
//! # The user
//!
//! If the prefix is the default one, an ACL user needs these rules:
//!
//! ```text
//! ACL SETUSER api on >password ~apikey:* &apikey:* +eval +evalsha +get +getrange +set +pttl +xadd +xrange +xrevrange +xtrim
//!     +publish +subscribe +time +info +ping +select +role +cluster|slots
//! ```
//!
//! [`check`](apikey_core::fleet::FleetStore::check) tries all that is needed, and names the rules if one is missing. `+role` is
//! needed with sentinels alone, and `+cluster|slots` in a cluster alone. Without `+publish` or `+subscribe`, removals take up to
//! 0.9 s. Without `+info`, the store can't tell one server from another, so each new connection means that the fleet is not
//! linked for 2 s.
//!
//! # Connections
//!
//! The store makes one connection to a server for its calls, and one for hints. It does so when it is first used, and again
//! when a connection breaks: at once, then with pauses of at most 250 ms. Connecting takes at most 500 ms. Sentinels, or the
//! servers of a cluster, have 200 ms of them to say which server it is. Until there is a connection, calls of requests fail
//! at once, and the core does without the store. Connections have `TCP_NODELAY`,
//! keepalive after 5 s, and on Linux `TCP_USER_TIMEOUT` of 2 s.
//!
//! The platform decides which certificates are good, as in the client for Kinde. TLS uses the provider of the features, and
//! neither uses nor changes the default of the process.
//!
//! # In the server
//!
//! | key | what it holds | bytes |
//! | --- | --- | --- |
//! | `apikey:entry:<name>` | a sealed answer, until it expires | about 100 to 200 more than the sealed bytes |
//! | `apikey:window:<name>` | the attempts of a client, until its window ends | 135 to 220 |
//! | `apikey:log:<name>` | the removals of the last minutes | about 65 more than the sealed bytes of each |
//!
//! Nothing leaves when a fleet ends but what expires: delete the key of its log then. If the server's clock was set far
//! ahead and back, the log grows until that time has come. Delete it, and the fleet begins another one.
//!
//! # Features
//!
//! - `aws-lc-rs` (default): TLS and sealing by aws-lc-rs.
//! - `ring`: TLS and sealing by ring. If both are on, aws-lc-rs is used.
//!
//! # Limits
//!
//! - The store must be called in a Tokio runtime with I/O and time turned on. The core does so.
//! - The password is overwritten in the memory that this crate owns. The client library and TLS copy it when they log in.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::string_slice
    )
)]

mod address;
mod builder;
mod check;
mod client;
mod cluster;
mod dial;
mod fault;
mod hints;
mod kept;
mod names;
mod replies;
mod scripts;
mod sentinel;
mod server;
mod servers;
mod slots;
mod store;
mod tls;
mod url;
mod vote;

pub use builder::RedisStoreBuilder;
pub use store::RedisStore;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/fleet.md")]
struct Fleet;
