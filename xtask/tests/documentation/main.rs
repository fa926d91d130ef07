//! The document of the reference servers, and the page that shows it.
#![cfg(unix)]

mod browser;
mod page;
mod programs;
mod server;

use apikey_openapi::import_problems;
use apikey_testkit::raw;
use serde_json::Value;
use server::{SERVERS, Server};

#[tokio::test]
async fn all_servers_serve_one_document() {
    let mut first: Option<Value> = None;
    for package in SERVERS {
        let server = Server::start(package).await;
        let served = raw::exchange(server.address, &raw::get("/openapi.json", &[])).await.unwrap();
        assert_eq!(
            (served.status, served.header("content-type")),
            (200, Some("application/json")),
            "{package}"
        );
        let head = raw::request("HEAD", "/openapi.json", &[], b"");
        let head = raw::exchange(server.address, &head).await.unwrap();
        assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")), "{package}");
        assert!(head.body.is_empty(), "{package}");
        let document = served.json();
        assert_eq!(first.get_or_insert_with(|| document.clone()), &document, "{package}");
        assert_eq!(import_problems(&served.body_text()), [], "{package}");
        server.running.stop().await;
    }
}

#[tokio::test]
async fn the_page_is_served_without_a_key() {
    for package in SERVERS {
        let server = Server::start(package).await;
        for (path, status) in [
            ("/docs", 308),
            ("/docs/", 200),
            ("/docs/swagger-ui.css", 200),
            ("/docs/x", 404),
            ("/docs/x/y", 404),
        ] {
            for method in ["GET", "HEAD"] {
                let response =
                    raw::exchange(server.address, &raw::request(method, path, &[], b"")).await.unwrap();
                assert_eq!(response.status, status, "{package} {method} {path}");
                let has_policy = response.header("content-security-policy").is_some();
                assert_eq!(has_policy, status == 200, "{package} {method} {path}");
            }
        }
        server.running.stop().await;
    }
}
