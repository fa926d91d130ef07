//! Redis and Valkey keep what every store must promise.

use std::sync::Arc;

use apikey_core::fleet::FleetStore;
use apikey_redis::RedisStore;
use apikey_testkit::servers::{Product, StoreServer};
use apikey_testkit::store::StoreSubject;

struct Standalone(StoreServer);

impl Standalone {
    fn start(product: Product) -> Self {
        Self(StoreServer::start(product, &[]))
    }
}

impl StoreSubject for Standalone {
    fn client(&self) -> Arc<dyn FleetStore> {
        Arc::new(RedisStore::builder(self.0.url()).build().unwrap())
    }
}

mod redis {
    use super::*;
    apikey_testkit::store_tests!(Standalone::start(Product::Redis));
}

mod valkey {
    use super::*;
    apikey_testkit::store_tests!(Standalone::start(Product::Valkey));
}
