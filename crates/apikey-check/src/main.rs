//! Checks the set-up of an API that protects itself with API keys issued by Kinde.
//!
//! ```console
//! $ cargo install --path crates/apikey-check
//! $ apikey-check config
//! environment  ok      KINDE_DOMAIN names example.kinde.com; keys are verified with a token
//! address      ok      192.0.2.1
//! connection   ok      port 443 of 192.0.2.1 answers
//! TLS          ok      the certificate is trusted
//! token        FAILED  Kinde grants no token: invalid_client; check KINDE_MANAGEMENT_CLIENT_ID and KINDE_MANAGEMENT_CLIENT_SECRET
//! scope        -       not tried
//! verify       -       not tried
//! ```
//!
//! `config` reads the same environment variables as
//! [`KindeSettings::from_env`](apikey_core::KindeSettings::from_env), and asks Kinde step by step. A step that fails says
//! what to change. `APIKEY_AUTH=none` stands for
//! [`without_token`](apikey_core::KindeSettings::without_token), as in the reference servers.
//!
//! ```console
//! $ apikey-check key --scopes read:users,write:users < file-with-the-key
//! decision  403 INSUFFICIENT_SCOPE
//! message   Insufficient scope. Required: write:users
//! required  read:users write:users
//! key id    api_key_0123456789abcdef0123456789abcdef
//! status    active
//! scopes    read:users
//! owner     organization org_acme
//! ```
//!
//! `key` says what an API with this environment decides about a key. It takes the key from standard input, or from a prompt
//! that does not show it, and never from the arguments.
//!
//! ```console
//! $ apikey-check openapi http://127.0.0.1:3000/openapi.json --routes routes.txt -- cargo run -p my-api
//! finding: POST /users: nothing guards this route: a request without a key is let in (200)
//! 1 finding in 3 operations, after 21 requests
//! ```
//!
//! `openapi` probes a running server of any language against its document ([`apikey_testkit::probe`]). It starts an emulator of
//! Kinde, and the server with the emulator's environment: the command after `--`, or you, with the variables that it prints.
//! **The probe calls every operation, also those that delete**, so the server must have a loopback address. `--routes` names a
//! file with a method and a path in each line: the routes that the server has. With it, the probe finds those that the document
//! lacks.
//!
//! Kinde's documentation leaves open how it answers for bad keys, and more. `apikey-check tenant` asks: with a key that you
//! make for it, and which you make inactive and revoke when it asks you to. It prints a record of the answers to standard
//! output. The record keeps only words that are known to be Kinde's own. Every other text is replaced by its shape, such as
//! `api_key_<32 hex>`. So you can paste it into an issue. `library` says what this library makes of an answer, and
//! `emulator` in which mode the Kinde emulator answers like this.
//!
//! The exit status is 0 if all is well, 1 if something is wrong, and 2 if the command line is wrong. Nothing that it prints
//! holds a client secret, a token or a key, but for the client secret of the emulator, which opens nothing.

mod arguments;
mod config;
mod console;
mod input;
mod key;
mod openapi;
mod tenant;

use std::process::ExitCode;

use arguments::Command;

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(mistake) => {
            console::complain(&mistake);
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console::complain(&format!("the operating system gives no event loop: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let is_good = runtime.block_on(run(command)).unwrap_or_else(|problem| {
        console::complain(&problem);
        false
    });
    // A look-up of a host name that takes too long has a thread of its own. Nobody waits for it.
    runtime.shutdown_background();
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns whether all is well, or why the command could not do its work.
async fn run(command: Command) -> Result<bool, String> {
    match command {
        Command::Say(text) => {
            console::say(&text);
            Ok(true)
        }
        Command::Config => Ok(config::run().await),
        Command::Key(requirement) => key::run(&requirement).await,
        Command::OpenApi(task) => openapi::run(&task).await,
        Command::Tenant => tenant::run().await,
    }
}
