//! Refused uploads, with catchers of the user's own. The conformance suite has the rest.

use apikey_conformance::RunningServer;
use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Scoped, denial, scopes};
use apikey_testkit::raw::{Connection, RawResponse};
use rocket::data::{Data, ToByteUnit as _};
use rocket::http::Status;
use rocket::response::stream::TextStream;
use rocket::{Build, Request, Rocket, catch, catchers, get, post, routes};

use crate::server::{launch, served};
use crate::world::{MISSING, keys, verifier};

scopes! { pub User = "user"; }

#[get("/me")]
fn me(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[post("/upload", data = "<body>")]
async fn upload(key: Scoped<User>, body: Data<'_>) -> String {
    let body = body.open(1.mebibytes()).into_bytes().await.unwrap();
    format!("{} from {}", body.len(), key.key_id())
}

fn app(keys: Authenticator) -> Rocket<Build> {
    served(keys).mount("/", ApiKeys::require("user", routes![upload])).mount("/", routes![me])
}

async fn server(build: impl FnOnce(Rocket<Build>) -> Rocket<Build>) -> RunningServer {
    launch(build(app(keys(&verifier())))).await
}

const LENGTH: usize = 500_000;

fn head(headers: &str) -> String {
    format!("POST /upload HTTP/1.1\r\n{headers}Content-Length: {LENGTH}\r\n\r\n0123456789abcd")
}

/// Sends a whole upload, and then reads the answer. The server has the time to end the connection.
async fn upload_and_read(connection: &mut Connection, headers: &str) -> std::io::Result<RawResponse> {
    connection.send(head(headers).as_bytes()).await?;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    for piece in vec![b'x'; LENGTH - 14].chunks(50_000) {
        connection.send(piece).await?;
    }
    connection.read_response(false).await
}

/// The answer to a refused upload. Its connection must serve another request.
async fn refused(server: &RunningServer) -> (u16, String) {
    let mut connection = Connection::connect(server.address()).await.unwrap();
    let response = upload_and_read(&mut connection, "Host: localhost\r\n").await.unwrap();
    let next = b"GET /me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer user\r\n\r\n";
    connection.send(next).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap().body_text(), "key_user");
    (response.status, response.body_text().to_string())
}

#[catch(401)]
fn unauthorized(request: &Request<'_>) -> String {
    format!("no entry: {}", denial(request).unwrap().code())
}

#[catch(default)]
fn anything(status: Status, _: &Request<'_>) -> String {
    format!("caught {status}")
}

#[tokio::test]
async fn a_refused_upload_is_answered_by_the_right_catcher() {
    let own = (401, "no entry: MISSING_KEY".to_owned());
    let ours = (401, MISSING.to_owned());
    let register = |base: &'static str, catchers: Vec<rocket::Catcher>| {
        server(move |rocket| rocket.register(base, catchers))
    };
    assert_eq!(refused(&register("/", vec![]).await).await, ours);
    assert_eq!(refused(&register("/", catchers![unauthorized]).await).await, own);
    assert_eq!(refused(&register("/upload", catchers![unauthorized, anything]).await).await, own);
    assert_eq!(refused(&register("/upload", catchers![anything]).await).await, ours);
    assert_eq!(refused(&register("/elsewhere", catchers![unauthorized]).await).await, ours);
    let both = |rocket: Rocket<Build>| {
        rocket.register("/", catchers![unauthorized]).register("/upload", catchers![anything])
    };
    assert_eq!(refused(&server(both).await).await, ours, "its base is longer");
}

#[tokio::test]
async fn a_refused_upload_survives_a_catcher_that_fails() {
    #[catch(401)]
    fn fails() -> Result<(), Status> {
        Err(Status::ImATeapot)
    }
    #[catch(401)]
    fn panics() {
        panic!("on purpose");
    }
    for catchers in [catchers![fails], catchers![panics]] {
        let server = server(|rocket| rocket.register("/", catchers)).await;
        let mut connection = Connection::connect(server.address()).await.unwrap();
        connection.send(head("Host: localhost\r\n").as_bytes()).await.unwrap();
        assert_eq!(connection.read_response(false).await.unwrap().status, 500);
    }
}

/// Its end is seen only when the connection has it, so it must not wait for the upload.
#[tokio::test]
async fn an_answer_without_a_length_does_not_wait_for_the_upload() {
    #[catch(401)]
    fn streams() -> TextStream![&'static str] {
        TextStream! { yield "no entry"; }
    }
    let endless = |builder: apikey_rocket::AuthenticatorBuilder| {
        builder.refused_uploads(1_000_000, std::time::Duration::from_secs(50)).build().unwrap()
    };
    let rocket = app(endless(Authenticator::builder(verifier()))).register("/", catchers![streams]);
    let server = launch(rocket).await;
    let mut connection = Connection::connect(server.address()).await.unwrap();
    connection.send(head("Host: localhost\r\n").as_bytes()).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap().body_text(), "no entry");
}

/// Over HTTP/2 there is none, and the answer's end would wait for the upload.
#[tokio::test]
async fn an_upload_without_a_host_is_not_read() {
    let server = server(|rocket| rocket).await;
    let mut connection = Connection::connect(server.address()).await.unwrap();
    assert!(upload_and_read(&mut connection, "").await.is_err());
}

#[tokio::test]
async fn an_upload_that_is_let_in_reaches_its_handler_whole() {
    let server = server(|rocket| rocket).await;
    let mut connection = Connection::connect(server.address()).await.unwrap();
    let headers = "Host: localhost\r\nAuthorization: Bearer user\r\n";
    let response = upload_and_read(&mut connection, headers).await.unwrap();
    assert_eq!(response.body_text(), format!("{LENGTH} from key_user"));
}

/// The first page's limits say so. If it is read one day, they are wrong.
#[tokio::test]
async fn an_upload_that_a_guard_refuses_is_not_read() {
    let rocket = served(keys(&verifier())).mount("/", routes![upload]);
    let server = launch(rocket).await;
    let mut connection = Connection::connect(server.address()).await.unwrap();
    assert!(upload_and_read(&mut connection, "Host: localhost\r\n").await.is_err());
}
