//! Passwords, permissions, databases, and memory.

use apikey_testkit::servers::{Product, StoreServer};

use super::*;

/// The rules that the documentation asks for.
const RULES: [&str; 19] = [
    "~apikey:*",
    "&apikey:*",
    "+eval",
    "+evalsha",
    "+get",
    "+getrange",
    "+set",
    "+pttl",
    "+xadd",
    "+xrange",
    "+xrevrange",
    "+xtrim",
    "+publish",
    "+subscribe",
    "+time",
    "+info",
    "+ping",
    "+select",
    "+role",
];

fn with_user(product: Product, rules: &[&str]) -> (StoreServer, String) {
    let server = StoreServer::start(product, &[]);
    let user = ["ACL", "SETUSER", "app", "on", ">s3cret", "resetchannels", "-@all"];
    assert_eq!(server.command(&[&user, rules].concat()).text().as_deref(), Some("OK"));
    let url = format!("redis://app:s3cret@127.0.0.1:{}", server.port());
    (server, url)
}

#[tokio::test]
async fn the_documented_rules_are_enough() {
    for product in Product::ALL {
        let (server, url) = with_user(product, &RULES);
        let store = connected(&url).await;
        works(&store).await.unwrap();
        append(&store, &[1]).await.unwrap();
        let denied = server.command(&["ACL", "LOG"]).list().unwrap_or_default();
        assert!(denied.is_empty(), "{denied:?}");
    }
}

/// Without each of them, the check names the rules.
#[tokio::test]
async fn a_missing_rule_is_found_by_the_check() {
    // What the store can do without: see the next test.
    let optional = ["+info", "+ping", "+select", "+role"];
    for missing in RULES.iter().filter(|rule| !optional.contains(rule)) {
        let rules: Vec<&str> = RULES.iter().copied().filter(|rule| rule != missing).collect();
        let (_server, url) = with_user(Product::Redis, &rules);
        let error = store(&url).check().await.expect_err(missing);
        let text = error.to_string();
        assert!(is_misconfigured(&error) && text.contains(missing), "without {missing}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn without_publish_and_info_the_log_works() {
    for product in Product::ALL {
        let rules: Vec<&str> =
            RULES.iter().copied().filter(|rule| !["+info", "+publish"].contains(rule)).collect();
        let (server, url) = with_user(product, &rules);
        let store = store(&url);
        append(&store, &[1]).await.unwrap();
        let before = pull(&store).await.unwrap();
        assert_eq!(numbers(&before), [1]);
        assert_eq!(pull(&store).await.unwrap().run, before.run);
        // The run is unknown. So every new connection may be to another one.
        server.command(&["CLIENT", "KILL", "USER", "app"]);
        let after = eventually(async || pull(&store).await).await;
        assert_ne!(after.run, before.run);
    }
}

#[tokio::test]
async fn a_server_without_eval_is_named_and_works_when_it_is_allowed() {
    let (server, url) = with_user(Product::Redis, &RULES);
    let store = connected(&url).await;
    works(&store).await.unwrap();
    server.command(&["ACL", "SETUSER", "app", "-eval", "-evalsha"]);
    let error = pull(&store).await.unwrap_err();
    assert!(is_misconfigured(&error), "{error}");
    assert!(store.look(&NAME).await.is_ok(), "a look is no script");
    server.command(&["ACL", "SETUSER", "app", "+eval", "+evalsha"]);
    works(&store).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_named_and_never_shown() {
    for product in Product::ALL {
        let server = StoreServer::start(product, &["--requirepass", "r1ght"]);
        let address = format!("127.0.0.1:{}", server.port());
        connected(&format!("redis://:r1ght@{address}")).await;
        for url in [
            format!("redis://:wr0ng@{address}"),
            format!("redis://nobody:wr0ng@{address}"),
            format!("redis://{address}"),
        ] {
            let store = store(&url);
            for error in [
                store.check().await.unwrap_err(),
                pull(&store).await.unwrap_err(),
                store.look(&NAME).await.unwrap_err(),
            ] {
                assert!(is_misconfigured(&error) && error.to_string().contains("password"), "{url}: {error}");
                assert!(!format!("{error} {error:?} {store:?}").contains("wr0ng"), "{error:?}");
            }
        }
        // A password for a server that has none.
        let open = StoreServer::start(product, &[]);
        let error = store(&format!("redis://:wr0ng@127.0.0.1:{}", open.port())).check().await.unwrap_err();
        assert!(is_misconfigured(&error) && !error.to_string().contains("wr0ng"), "{error}");
    }
}

#[tokio::test]
async fn a_password_that_is_changed_is_told_until_it_is_right() {
    let server = StoreServer::start(Product::Redis, &[]);
    let set = |password: &str| {
        server.command(&["ACL", "SETUSER", "app", "on", "reset", "on", password, "~*", "&*", "+@all"])
    };
    set(">first");
    let store = connected(&format!("redis://app:first@127.0.0.1:{}", server.port())).await;
    works(&store).await.unwrap();
    set(">second");
    server.command(&["CLIENT", "KILL", "USER", "app"]);
    eventually_fails(async || pull(&store).await, is_misconfigured).await;
    set(">first");
    eventually(async || works(&store).await).await;
}

#[tokio::test]
async fn every_key_is_in_its_database_and_has_the_prefix() {
    let server = StoreServer::start(Product::Redis, &[]);
    let store = RedisStore::builder(format!("{}/3", server.url())).key_prefix("orders:").build().unwrap();
    store.check().await.unwrap();
    works(&store).await.unwrap();
    append(&store, &[1]).await.unwrap();
    assert_eq!(server.command(&["DBSIZE"]), apikey_testkit::servers::Reply::Number(0));
    server.command(&["SWAPDB", "0", "3"]);
    let keys = server.command(&["KEYS", "*"]).list().unwrap();
    let mut keys: Vec<String> = keys.iter().filter_map(apikey_testkit::servers::Reply::text).collect();
    keys.retain(|key| !key.contains("check"));
    keys.sort();
    let (name, log) = ("08".repeat(16), "07".repeat(16));
    let expected =
        [format!("orders:entry:{name}"), format!("orders:log:{log}"), format!("orders:window:{name}")];
    assert_eq!(keys, expected);
    let error = self::store(&format!("{}/99", server.url())).check().await.unwrap_err();
    assert!(is_misconfigured(&error) && error.to_string().contains("no database 99"), "{error}");
}

#[tokio::test]
async fn two_prefixes_share_nothing() {
    let server = StoreServer::start(Product::Redis, &[]);
    let one = RedisStore::builder(server.url()).key_prefix("one:").build().unwrap();
    let other = RedisStore::builder(server.url()).key_prefix("other:").build().unwrap();
    one.check().await.unwrap();
    other.check().await.unwrap();
    append(&one, &[1]).await.unwrap();
    works(&one).await.unwrap();
    assert_eq!(numbers(&pull(&other).await.unwrap()), [0_u8; 0]);
    assert_eq!(other.look(&NAME).await.unwrap().entry, None);
}

#[tokio::test]
async fn a_full_server_keeps_no_entry_and_goes_on_with_the_log() {
    for product in Product::ALL {
        let server = StoreServer::start(product, &["--maxmemory-policy", "noeviction"]);
        let store = connected(&server.url()).await;
        works(&store).await.unwrap();
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let is_full =
            |error: &StoreError| matches!(error, StoreError::Full(text) if text.contains("allkeys-lru"));
        assert!(is_full(&store.keep(&NAME, &entry("more"), HOUR).await.unwrap_err()));
        assert!(is_full(&store.take(&Name([9; 16]), 1, HOUR).await.unwrap_err()));
        assert!(is_full(&store.check().await.unwrap_err()));
        append(&store, &[1]).await.unwrap();
        assert_eq!(numbers(&pull(&store).await.unwrap()), [1]);
        assert!(store.look(&NAME).await.is_ok());
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        works(&store).await.unwrap();
    }
}

/// A pull shows that an instance is up to date. It must cost no replication and no write to disk.
#[tokio::test]
async fn a_pull_changes_nothing() {
    for product in Product::ALL {
        let server = StoreServer::start(product, &[]);
        let store = connected(&server.url()).await;
        append(&store, &[1]).await.unwrap();
        let before = (server.info("rdb_changes_since_last_save"), server.info("master_repl_offset"));
        for _ in 0..50 {
            pull(&store).await.unwrap();
        }
        assert_eq!((server.info("rdb_changes_since_last_save"), server.info("master_repl_offset")), before);
    }
}

/// Who can write to the server can put anything there.
#[tokio::test]
async fn forged_bytes_are_no_entry_and_no_record() {
    let server = StoreServer::start(Product::Redis, &[]);
    let store = connected(&server.url()).await;
    let (name, log) = ("08".repeat(16), "07".repeat(16));
    for forged in ["", "1", "99999999999999999999x", "not a moment in time, but long enough"] {
        server.command(&["SET", &format!("apikey:entry:{name}"), forged]);
        assert_eq!(store.look(&NAME).await.unwrap().entry, None, "{forged}");
    }
    server.command(&["SET", &format!("apikey:window:{name}"), "0123456789abcdefmany"]);
    assert!(matches!(store.take(&NAME, 1, HOUR).await, Ok(Taken::Counted(_))), "it is no window");
    server.command(&["SET", &format!("apikey:window:{name}"), "0123456789abcdef5:0"]);
    assert!(matches!(store.take(&NAME, 1, HOUR).await, Ok(Taken::Counted(_))), "it would never end");
    server.command(&["XADD", &format!("apikey:log:{log}"), "*", "i", "short", "o", "short", "b", "x"]);
    let error = pull(&store).await.unwrap_err();
    assert!(error.to_string().contains(&format!("apikey:log:{log}")), "{error}");
    server.command(&["DEL", &format!("apikey:log:{log}"), &format!("apikey:entry:{name}")]);
    server.command(&["LPUSH", &format!("apikey:log:{log}"), "x"]);
    server.command(&["LPUSH", &format!("apikey:entry:{name}"), "x"]);
    assert!(is_misconfigured(&pull(&store).await.unwrap_err()));
    assert!(is_misconfigured(&store.look(&NAME).await.unwrap_err()));
}

/// A reply of a pull is read as a whole, so nobody may make it large.
#[tokio::test]
async fn a_pull_brings_no_more_of_a_record_than_it_needs() {
    for product in Product::ALL {
        let server = StoreServer::start(product, &[]);
        let store = connected(&server.url()).await;
        append(&store, &[1]).await.unwrap();
        let log = format!("apikey:log:{}", "07".repeat(16));
        let (id, large) = ("0123456789abcdef", "x".repeat(1_000_000));
        server.command(&["XADD", &log, "*", "i", id, "o", id, "b", &large, &large, &large]);
        let pulled = pull(&store).await.unwrap();
        let sizes: Vec<usize> = pulled.records.iter().map(|(_, _, record)| record.sealed.len()).collect();
        assert_eq!(sizes, [1, 8 * 1024 + 1], "one byte more than a good record has");
        server.command(&["XADD", &log, "*", "i", id]);
        assert!(is_misconfigured(&pull(&store).await.unwrap_err()), "it lacks fields");
        server.command(&["DEL", &log]);
        server.command(&["XADD", &log, "*", "i", &large, "o", id, "b", "x"]);
        assert!(is_misconfigured(&pull(&store).await.unwrap_err()), "its id is too long");
    }
}
