//! Routes that the server has and the document lacks.

use apikey_testkit::probe::{FindingKind::*, Probe};
use serde_json::json;

use crate::server::{Route, Server};
use crate::{assert_finds, bearer, document, emulator, found};

#[tokio::test]
async fn each_route_that_the_document_lacks_is_found() {
    let emulator = emulator().await;
    let open = Route::new("POST", "/admin/reset", &[]).with(|route| route.guarded = false);
    let served = vec![
        Route::new("GET", "/api/users", &[&["read"]]),
        Route::new("GET", "/api/users/{id}", &[&["read"]]),
        Route::new("DELETE", "/api/users/{id}", &[&["read"]]),
        open,
    ];
    let server = Server::start(&emulator, served).await;
    let mut document =
        document(&[("GET", "/users", bearer(&[&["read"]])), ("GET", "/users/{user}", bearer(&[&["read"]]))]);
    document["servers"] = json!([{"url": "https://example.com/api/"}]);
    let probe = Probe::new(&document, &server.url()).unwrap();
    let report = probe
        .clone()
        .routes([
            ("GET", "/api/users"),
            ("HEAD", "/api/users"),
            ("HEAD", "/api/users/<id>"),
            ("HEAD", "/other"),
            ("DELETE", "/api/users/<id>"),
            ("DELETE", "/api/users/:id"),
            ("post", "/admin/reset"),
            ("GET", "/other"),
        ])
        .run(&emulator)
        .await;
    let expected = [
        (Undocumented, "DELETE /api/users/<id>"),
        (Undocumented, "POST /admin/reset"),
        (Undocumented, "GET /other"),
    ];
    assert_eq!(found(&report), expected, "{report}");
    let words = [
        "It is guarded: a request without a key is answered 401",
        "It is open: a request",
        "404, which does not tell",
    ];
    assert_finds(&report, &[Undocumented; 3], &words);
    assert!(report.notes().is_empty(), "{report}");

    let report = probe.run(&emulator).await;
    assert_finds(
        &report,
        &[],
        &["note: whether the server has routes that the document lacks was not checked"],
    );
}

#[tokio::test]
async fn an_empty_list_of_routes_is_a_list() {
    let emulator = emulator().await;
    let server = Server::start(&emulator, vec![Route::new("GET", "/data", &[&["read"]])]).await;
    let document = document(&[("GET", "/data", bearer(&[&["read"]]))]);
    let routes: [(&str, &str); 0] = [];
    let report = Probe::new(&document, &server.url()).unwrap().routes(routes).run(&emulator).await;
    assert_eq!((report.is_clean(), report.notes().len()), (true, 0), "{report}");
}

#[tokio::test]
async fn a_route_with_an_odd_method_is_reported_unasked() {
    let emulator = emulator().await;
    let server = Server::start(&emulator, vec![Route::new("GET", "/data", &[&["read"]])]).await;
    let document = document(&[("GET", "/data", bearer(&[&["read"]]))]);
    let probe = Probe::new(&document, &server.url()).unwrap().routes([("A B", "/data")]);
    assert_finds(&probe.run(&emulator).await, &[Undocumented], &["so the server was not asked"]);
}
