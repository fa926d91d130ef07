//! Each server does what its name says. Otherwise its figures would say nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

/// A child process that serves. Dropping it ends it.
struct Server(Child, SocketAddr);

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apikey-bench"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap_or_else(|_| panic!("{arguments:?} did not start: {line}"));
        Self(child, address)
    }

    /// The status and the body of the answer to this key.
    fn answer(&self, key: Option<&str>) -> (u16, String) {
        let header = key.map_or(String::new(), |key| format!("authorization: Bearer {key}\r\n"));
        let mut stream = TcpStream::connect(self.1).unwrap();
        let request = format!("GET /users HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.is_empty() || head.contains("content-type: "), "{head}");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_server_lets_in_what_its_name_says_and_answers_the_id() {
    let upstream = Server::start(&["upstream"]);
    let url = format!("http://{}", upstream.1);
    let good = format!("k_live_{:032}", 9);
    let unknown = format!("k_junk_{:032}", 9);
    let body = |id: &str| (200, format!(r#"{{"key_id":"{id}"}}"#));
    for framework in ["axum", "actix", "rocket", "warp"] {
        for guard in ["bare", "no-op", "least-cached", "scoped", "require", "hand-written"] {
            if guard == "hand-written" && framework != "axum" {
                continue;
            }
            let server =
                ["server", "--framework", framework, "--guard", guard, "--upstream", &url, "--seed", "10"];
            let server = Server::start(&server);
            let [with_good, with_unknown, without] =
                [Some(&*good), Some(&*unknown), None].map(|key| server.answer(key));
            let (own, constant) = (body("api_key_000000000009"), body("api_key_of_the_bench"));
            let what = format!("{guard} on {framework}");
            if guard == "bare" {
                assert_eq!([&with_good, &with_unknown, &without], [&constant; 3], "{what}");
            } else if guard == "no-op" {
                assert_eq!([&with_good, &with_unknown], [&constant; 2], "{what}");
                assert_eq!(without.0, 401, "{what}");
            } else {
                assert_eq!(with_good, own, "{what}");
                assert_eq!([with_unknown.0, without.0], [401; 2], "{what}");
            }
        }
    }
}
