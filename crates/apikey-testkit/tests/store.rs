//! The store in memory keeps what every store must promise.
#![cfg(feature = "fleet")]

use apikey_testkit::store::MemoryStore;

apikey_testkit::store_tests!(MemoryStore::new());
