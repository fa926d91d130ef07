//! The forms of `Authorization: Bearer <key>`. A malformed value never reaches Kinde.

use crate::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    world::World,
};
use apikey_testkit::emulator::KeySpecification;

/// Each of these is malformed and causes no call.
async fn are_malformed(world: &World, values: &[&[u8]]) {
    let mut session = world.session().await;
    for value in values {
        session.send(get("/me").authorization(value)).await.is_denied(&invalid_format());
    }
    assert_eq!(world.calls_and_tokens(), (0, 0), "a malformed value reached Kinde");
}

pub async fn the_scheme_is_read_in_any_case(subject: Subject) {
    let world = World::new(subject).await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let value = format!("{scheme} {}", world.reader.secret);
        world.send(get("/me").authorization(value)).await.is_me(&world.reader);
    }
}

pub async fn several_spaces_may_stand_before_the_key(subject: Subject) {
    let world = World::new(subject).await;
    for spaces in ["  ", "   ", "                "] {
        let value = format!("Bearer{spaces}{}", world.reader.secret);
        world.send(get("/me").authorization(value)).await.is_me(&world.reader);
    }
}

pub async fn white_space_around_the_value_does_not_count(subject: Subject) {
    let world = World::new(subject).await;
    for (before, after) in [("  ", ""), ("", "  "), ("\t", "\t "), (" \t", " ")] {
        let value = format!("{before}Bearer {}{after}", world.reader.secret);
        world.send(get("/me").authorization(value)).await.is_me(&world.reader);
    }
}

pub async fn the_name_of_the_header_is_read_in_any_case(subject: Subject) {
    let world = World::new(subject).await;
    for name in ["authorization", "AUTHORIZATION", "aUTHORIZATIOn"] {
        let value = format!("Bearer {}", world.reader.secret);
        world.send(get("/me").header(name, value)).await.is_me(&world.reader);
    }
}

pub async fn every_token68_is_a_key(subject: Subject) {
    let world = World::new(subject).await;
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    for secret in [letters, "k", "0", "/", "key=", "key==", "~~~==="] {
        let name = format!("token68_{}", secret.len());
        let key = world.create(KeySpecification::new(name).secret(secret));
        world.ask("/me", &key).await.is_me(&key);
        assert_eq!(world.emulator.verify_calls_for(secret), 1, "{secret}");
    }
}

pub async fn a_key_of_512_bytes_is_read_and_one_of_513_is_not(subject: Subject) {
    let world = World::new(subject).await;
    let key = world.create(KeySpecification::new("long").secret("k".repeat(512)));
    world.ask("/me", &key).await.is_me(&key);
    assert_eq!(world.calls(), 1);
    for length in [513, 514, 1000, 4000] {
        world.send(get("/me").bearer(&"k".repeat(length))).await.is_denied(&invalid_format());
    }
    let padded = format!("{}=", "k".repeat(512));
    world.send(get("/me").bearer(&padded)).await.is_denied(&invalid_format());
    assert_eq!(world.calls(), 0);
}

pub async fn a_tab_is_no_space(subject: Subject) {
    let world = World::new(subject).await;
    are_malformed(
        &world,
        &[b"Bearer\tk_live_1", b"Bearer \tk_live_1", b"Bearer\t k_live_1", b"Bearer k\tlive"],
    )
    .await;
}

pub async fn nothing_may_follow_the_key(subject: Subject) {
    let world = World::new(subject).await;
    let good = format!("Bearer {}", world.reader.secret);
    for after in [" x", "\tx", ",", ", ", ";q=1", " ,", "=x", "\"", " Bearer k", " scope=\"x\""] {
        world.send(get("/me").authorization(format!("{good}{after}"))).await.is_denied(&invalid_format());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn nothing_but_the_scheme_may_precede_the_key(subject: Subject) {
    let world = World::new(subject).await;
    let good = format!("Bearer {}", world.reader.secret);
    for before in ["x ", "\"", ",", ", ", "Bearer ", "Basic ", "Authorization: "] {
        world.send(get("/me").authorization(format!("{before}{good}"))).await.is_denied(&invalid_format());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_key_without_its_scheme_is_malformed(subject: Subject) {
    let world = World::new(subject).await;
    let secret = &world.reader.secret;
    let glued = format!("Bearer{secret}");
    let colon = format!("Bearer:{secret}");
    are_malformed(&world, &[secret.as_bytes(), glued.as_bytes(), colon.as_bytes()]).await;
}

pub async fn a_scheme_without_a_key_is_malformed(subject: Subject) {
    let world = World::new(subject).await;
    are_malformed(&world, &[b"Bearer", b"bearer", b"Bearer ", b"Bearer    ", b"Bearer =", b"Bearer ==="])
        .await;
}

pub async fn another_scheme_is_malformed_whatever_it_carries(subject: Subject) {
    let world = World::new(subject).await;
    let secret = &world.reader.secret;
    for scheme in ["Basic", "Token", "ApiKey", "Bearers", "Beare", "Bearer-Key", "Digest", "Negotiate", "B"] {
        let value = format!("{scheme} {secret}");
        world.send(get("/me").authorization(value)).await.is_denied(&invalid_format());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn keys_joined_by_commas_are_malformed(subject: Subject) {
    let world = World::new(subject).await;
    let secret = &world.reader.secret;
    for value in [
        format!("Bearer {secret}, Bearer {secret}"),
        format!("Bearer {secret},Bearer {secret}"),
        format!("Bearer {secret},{secret}"),
        format!("Basic azo=, Bearer {secret}"),
        ",".to_owned(),
    ] {
        world.send(get("/me").authorization(value)).await.is_denied(&invalid_format());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn characters_that_no_key_has_are_malformed(subject: Subject) {
    let world = World::new(subject).await;
    let odd = b" \"#$%&'()*,:;<>?@[\\]^`{|}!";
    let values: Vec<Vec<u8>> =
        odd.iter().map(|byte| [b"Bearer k_live_1", &[*byte][..], b"2"].concat()).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    are_malformed(&world, &values).await;
}

pub async fn text_beyond_ascii_is_malformed(subject: Subject) {
    let world = World::new(subject).await;
    let values = [
        "Bearer kl\u{e9}",
        "Bearer k\u{200b}",
        "B\u{e9}arer k",
        "Bearer\u{a0}k",
        "\u{feff}Bearer k",
        "Bearer \u{ff4b}",
        "\u{1f511}",
    ];
    are_malformed(&world, &values.map(str::as_bytes)).await;
}

pub async fn bytes_that_are_no_utf8_are_malformed(subject: Subject) {
    let world = World::new(subject).await;
    let expected =
        if world.differences.drops_values_that_are_not_utf8 { missing_key() } else { invalid_format() };
    for value in
        [&b"Bearer k_live_\xff"[..], b"Bearer \xe9", b"\xff", b"Bearer k\x80", b"\xc3Bearer k", b"\xfe\xff"]
    {
        world.send(get("/me").authorization(value)).await.is_denied(&expected);
    }
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn an_empty_value_is_nothing_presented(subject: Subject) {
    let world = World::new(subject).await;
    world.send(get("/me").authorization("")).await.is_denied(&missing_key());
    assert_eq!(world.calls(), 0);
}

pub async fn white_space_alone_is_nothing_presented(subject: Subject) {
    let world = World::new(subject).await;
    for value in [" ", "    ", "\t", " \t \t"] {
        world.send(get("/me").authorization(value)).await.is_denied(&missing_key());
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_repeated_header_is_refused_whatever_its_values(subject: Subject) {
    let world = World::new(subject).await;
    let good = format!("Bearer {}", world.reader.secret);
    let other = format!("Bearer {}", world.writer.secret);
    let values = ["", "Basic azo=", "nonsense", &good, &other];
    for first in values {
        for second in values {
            for name in ["Authorization", "authorization"] {
                let request = get("/me").authorization(first).header(name, second);
                world.send(request).await.is_denied(&multiple_keys());
            }
        }
    }
    let apart = get("/me").authorization(&good).header("Accept", "*/*").authorization("");
    world.send(apart).await.is_denied(&multiple_keys());
    let many = (0..20).fold(get("/me"), |request: Request, _| request.authorization(&good));
    world.send(many).await.is_denied(&multiple_keys());
    assert_eq!(world.calls_and_tokens(), (0, 0));
}

pub async fn no_other_place_is_looked_at(subject: Subject) {
    let world = World::new(subject).await;
    let secret = &world.reader.secret;
    let bearer = format!("Bearer {secret}");
    for request in [
        get("/me").header("X-Api-Key", secret),
        get("/me").header("Proxy-Authorization", &bearer),
        get("/me").header("X-Authorization", &bearer),
        get("/me").header("X-Forwarded-Authorization", &bearer),
        get("/me").header("Cookie", format!("Authorization={secret}")),
        get(format!("/me?api_key={secret}&access_token={secret}&Authorization={secret}")),
    ] {
        world.send(request).await.is_denied(&missing_key());
    }
    let beside = get(format!("/me?api_key={secret}")).key(&world.writer).header("X-Api-Key", secret);
    world.send(beside).await.is_me(&world.writer);
    assert_eq!(world.calls(), 1);
}
