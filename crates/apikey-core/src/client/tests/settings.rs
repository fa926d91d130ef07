use super::*;

#[test]
fn bad_settings_are_refused_by_name() {
    for bad in [
        "10.0.0.1,",
        ",",
        "10.0.0.1,,10.0.0.2",
        "proxy.example",
        "10.0.0.1:80",
        "[::1]",
        "fe80::1%eth0",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/8/8",
        "010.0.0.1",
        "10.0.0",
        "*",
        "10.0.0.1/8",
        "2001:db8::1/64",
        "::ffff:10.0.0.1/104",
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1,128.0.0.0/1",
        "::ffff:0:0/96",
        "::ffff:0:0/95",
        "64:ff9b::/96",
        "64:ff9b::/95",
        "64:ff9b::/32",
        "64:ff9b::10.0.0.1/104",
        "10.0.0.1 10.0.0.2",
        "10.0.0.1;10.0.0.2",
        "10.0.0.0 /8",
        "unix:",
        "unix:/run/api.sock",
        "unix/8",
        "UNIX",
    ] {
        let error = TrustedProxies::parse(bad).unwrap_err();
        assert_eq!(error.setting(), "trusted_proxies", "{bad}");
    }
    assert!(TrustedProxies::new([""]).is_err());
    let helpful = TrustedProxies::parse("10.0.0.1/8").unwrap_err().to_string();
    assert!(helpful.contains("10.0.0.0/8") && helpful.contains("or 10.0.0.1 for"), "{helpful}");
    let helpful = TrustedProxies::parse("/run/api.sock").unwrap_err().to_string();
    assert!(helpful.contains("unix"), "{helpful}");
    for bad in ["", "x-real-ip", "X-Forwarded-For, Forwarded"] {
        assert_eq!(bad.parse::<ForwardingHeader>().unwrap_err().setting(), "TrustedProxies::header");
    }
}

#[test]
fn good_settings_are_taken() {
    assert_eq!("X-Forwarded-FOR".parse(), Ok(XForwardedFor));
    assert_eq!(" Forwarded".parse(), Ok(Forwarded));
    let nobody =
        [TrustedProxies::parse(" ").unwrap(), TrustedProxies::new([""; 0]).unwrap(), TrustedProxies::none()];
    assert!(
        nobody
            .iter()
            .all(|proxies| !proxies.trusts(ip("127.0.0.1")) && *proxies == TrustedProxies::default())
    );
    let proxies = TrustedProxies::parse("10.0.0.0/8,10.1.0.0/16 , 192.0.2.1, 2001:db8::/32,::ffff:198.51.100.0/120,255.255.255.255, ffff::/16,::ffff:203.0.113.9,64:ff9b::203.0.113.128/121, 64:ff9b::203.0.113.10,64:ff9b:1::/48").unwrap();
    for (address, trusted) in [
        ("10.0.0.0", true),
        ("10.255.255.255", true),
        ("11.0.0.0", false),
        ("9.255.255.255", false),
        ("192.0.2.1", true),
        ("192.0.2.0", false),
        ("192.0.2.2", false),
        ("198.51.100.255", true),
        ("198.51.101.0", false),
        ("0.0.0.0", false),
        ("255.255.255.255", true),
        ("2001:db8:ffff::", true),
        ("2001:db9::", false),
        ("203.0.113.9", true),
        ("203.0.113.10", true),
        ("203.0.113.11", false),
        ("203.0.113.127", false),
        ("203.0.113.128", true),
        ("203.0.113.255", true),
        ("64:ff9b:1::203.0.113.1", true),
        ("::", false),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("fffe:ffff::", false),
    ] {
        assert_eq!(proxies.trusts(ip(address)), trusted, "{address}");
    }
}

#[test]
fn the_word_unix_trusts_unix_sockets_and_no_address() {
    for (setting, unix, address) in [
        ("unix", true, false),
        (" unix ,10.0.0.0/8,unix", true, true),
        ("10.0.0.0/8", false, true),
        ("", false, false),
    ] {
        let proxies = TrustedProxies::parse(setting).unwrap();
        assert_eq!(proxies.trusts_unix_sockets(), unix, "{setting:?}");
        assert_eq!(proxies.trusts(ip(PEER)), address, "{setting:?}");
        assert!(!proxies.trusts(ip("0.0.0.0")) && !proxies.trusts(ip("::")), "{setting:?}");
    }
    assert_eq!(TrustedProxies::new(["unix"]), TrustedProxies::parse("unix"));
}
