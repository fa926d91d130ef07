//! One Kinde at two addresses.

use std::{io::ErrorKind, net::SocketAddr};

use apikey_testkit::{
    emulator::{Emulator, Endpoint, Fault, KeySpecification, NegativeAnswer},
    raw,
};

use crate::{Scene, token_form, token_request};

/// A scene, and a second emulator of the same business at another address with the same port.
///
/// If there are loopback addresses that no other test uses, the emulators take those. Otherwise only the port
/// differs.
async fn scene_and_moved() -> (Scene, Emulator) {
    let [.., high, low] = std::process::id().to_be_bytes();
    let loopback =
        |second| if cfg!(target_os = "linux") { [127, second, high, low | 1] } else { [127, 0, 0, 1] };
    let old = Emulator::builder().listen((loopback(78), 0).into()).start().await.unwrap();
    let port = if cfg!(target_os = "linux") { old.address().port() } else { 0 };
    let new_address = SocketAddr::from((loopback(79), port));
    let new = Emulator::builder().same_business_as(&old).listen(new_address).start().await.unwrap();
    (Scene::with(old).await, new)
}

#[tokio::test]
async fn a_moved_kinde_knows_keys_tokens_and_client() {
    let (scene, moved) = scene_and_moved().await;
    if cfg!(target_os = "linux") {
        assert_eq!(moved.address().port(), scene.emulator.address().port());
        assert_ne!(moved.address().ip(), scene.emulator.address().ip());
    }
    let ask = async |secret: &str| {
        raw::exchange(moved.address(), &scene.verification(secret)).await.unwrap().json()["is_valid"] == true
    };
    assert!(ask(&scene.key.secret).await);
    let later = moved.create_key(KeySpecification::new("later"));
    assert_eq!(scene.verify(&later.secret).await.json()["is_valid"], true);
    scene.emulator.revoke(&scene.key.key_id);
    assert!(!ask(&scene.key.secret).await);
    moved.set_negative_answer(NegativeAnswer::Error401);
    assert_eq!(scene.try_verify().await.unwrap().status, 401);
    let form = token_form(&scene.emulator);
    assert_eq!(raw::exchange(moved.address(), &token_request(&form)).await.unwrap().status, 200);
    assert_eq!(moved.issued_tokens(), scene.emulator.issued_tokens());
    moved.deny_scope(true);
    assert_eq!(scene.try_verify().await.unwrap().status, 403);
    moved.revoke_tokens();
    assert_eq!(scene.try_verify().await.unwrap().status, 401);
}

#[tokio::test]
async fn the_old_address_has_faults_and_counters_of_its_own() {
    let (scene, moved) = scene_and_moved().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    scene.emulator.set_key_fault(&scene.key.secret, Some(Fault::status(502)));
    let request = scene.verification(&scene.key.secret);
    assert_eq!(raw::exchange(moved.address(), &request).await.unwrap().status, 200);
    assert_eq!(scene.try_verify().await.unwrap().status, 502);
    assert_eq!((scene.emulator.counters().verify_calls, moved.counters().verify_calls), (1, 1));
    scene.emulator.refuse_connections(true).await.unwrap();
    assert_eq!(scene.try_verify().await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(raw::exchange(moved.address(), &request).await.unwrap().status, 200);
    scene.emulator.stop().await;
    assert_eq!(raw::exchange(moved.address(), &request).await.unwrap().status, 200);
}
