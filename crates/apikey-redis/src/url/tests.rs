use super::*;

fn read(text: &str) -> Parsed {
    parse("REDIS_URL", text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> String {
    match parse("REDIS_URL", text) {
        Ok(_) => panic!("{text} is accepted"),
        Err(error) => error.to_string(),
    }
}

fn servers(text: &str) -> String {
    read(text).kind.to_string()
}

#[test]
fn each_scheme_names_its_servers() {
    assert_eq!(servers("redis://cache"), "cache:6379");
    assert_eq!(servers("rediss://[::1]:7000/3"), "[::1]:7000");
    assert_eq!(servers("valkeys://cache:1"), "cache:1");
    assert_eq!(
        servers("redis-sentinel://one?node=two:7&node=[::2]&sentinelServiceName=main"),
        "the primary of 'main' by the sentinels one:26379, two:7, [::2]:26379"
    );
    assert_eq!(servers("rediss-cluster://one?node=two:7001"), "the cluster of one:6379, two:7001");
    assert!(read("rediss-cluster://one").is_tls && !read("redis-cluster://one").is_tls);
}

#[test]
fn a_login_is_decoded() {
    let login = read("redis://app:p%2Fw%40d@cache/5").login;
    assert_eq!((login.user.as_deref(), login.database), (Some("app"), 5));
    assert_eq!(login.password.as_deref().map(String::as_str), Some("p/w@d"));
    let login = read("redis://:secret@cache").login;
    assert_eq!((login.user.as_deref(), login.password.is_some(), login.database), (None, true, 0));
    let of_sentinels = "redis-sentinel://one?sentinelServiceName=m&sentinelUsername=u&sentinelPassword=p";
    let Kind::Sentinel(sentinels) = read(of_sentinels).kind else { panic!("these are sentinels") };
    assert_eq!(sentinels.login.user.as_deref(), Some("u"));
}

#[test]
fn a_bad_url_is_refused_with_advice_and_without_its_secret() {
    for (url, advice) in [
        ("cache:6379:s3cret", "the scheme 'cache' is unknown"),
        ("http://:s3cret@cache", "the scheme 'http' is unknown"),
        ("redis://:s3cret/x@cache", "encode what is special"),
        ("redis://:s3cret@", "it "),
        ("redis://app@cache", "no password"),
        ("redis://:s3cret@cache/first", "number of a database"),
        ("redis://:s3cret@cache?protocol=resp3", "no parameter 'protocol'"),
        ("redis://:s3cret@cache?node=other", "no parameter 'node'"),
        ("redis-sentinel://:s3cret@one", "sentinelServiceName=mymaster"),
        ("redis-sentinel://one?sentinelServiceName=m&sentinelUsername=u", "no `sentinelPassword`"),
        ("redis-cluster://:s3cret@one/1", "only database 0"),
        ("redis-cluster://one?node=two:many", "a `node` is not `host:port`"),
        ("redis-ring://one", "the scheme 'redis-ring' is unknown"),
    ] {
        let said = error(url);
        assert!(said.starts_with("REDIS_URL: ") && said.contains(advice), "{url}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}
