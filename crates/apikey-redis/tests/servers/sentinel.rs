//! Sentinels choose another primary.

use apikey_testkit::servers::{Product, StoreServer};

use super::*;

#[tokio::test]
async fn the_primary_that_sentinels_choose_is_found() {
    let mut primary = StoreServer::start(Product::Redis, &[]);
    let replica = primary.replica(&[]);
    let sentinels = [(); 3].map(|()| StoreServer::sentinel(Product::Redis, &primary, 2));
    let [first, second, third] = [0, 1, 2].map(|number: usize| sentinels[number].port());
    let nodes = format!("node=127.0.0.1:{second}&node=127.0.0.1:{third}");
    let url = format!("redis-sentinel://127.0.0.1:{first}?{nodes}&sentinelServiceName=main");
    for sentinel in &sentinels {
        sentinel.wait_until("it does not know the replica and the others", |sentinel| {
            let info = sentinel.command(&["INFO", "sentinel"]).text().unwrap_or_default();
            info.contains("slaves=1,sentinels=3")
        });
    }
    let store = connected(&url).await;
    append(&store, &[1]).await.unwrap();
    let before = pull(&store).await.unwrap();
    replica.wait_until("the record does not come", |replica| {
        replica.info("master_repl_offset") == primary.info("master_repl_offset")
    });
    primary.kill();
    // One sentinel may be away, too.
    sentinels[0].pause();
    let after = eventually(async || pull(&store).await).await;
    assert_ne!(after.run, before.run);
    assert_eq!(numbers(&after), [1]);
    eventually(async || works(&store).await).await;
    sentinels[0].resume();

    let unknown = url.replace("=main", "=other");
    let error = self::store(&unknown).check().await.unwrap_err();
    assert!(error.to_string().contains("'other'"), "{error}");
}
