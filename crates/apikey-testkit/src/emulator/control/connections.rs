//! `/_emulator/connections/...`.

use std::{sync::Arc, time::Duration};

use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use super::{
    super::{
        answer::ScriptedAnswer,
        door,
        link::{Link, Links},
        request::{unknown_route, wrong_method},
        state::State,
    },
    parsed,
};

/// Runs the command of this route on the connections. `link` is the connection that brought the command.
pub(super) async fn command(
    state: &Arc<State>,
    link: &Link,
    method: &Method,
    segments: &[&str],
    body: &[u8],
) -> Result<ScriptedAnswer, ScriptedAnswer> {
    let links = &state.links;
    match (segments, method) {
        (["cut" | "silence" | "drain" | "reset_once"], &Method::POST) => {
            let tell = match segments {
                ["cut"] => Links::cut,
                ["silence"] => Links::silence,
                ["drain"] => Links::drain,
                _ => Links::reset_once,
            };
            // That connection is left out, so that the answer gets through.
            let concerned = tell(links, Some(link.number()));
            return Ok(ScriptedAnswer::json(200, &json!({"connections": concerned})));
        }
        (["refuse"], &Method::POST) => {
            let pause = parsed::<PauseBody>(body)?.pause();
            door::turn(&state.door, true).await.map_err(|error| failure(&error))?;
            let door = state.door.clone();
            tokio::spawn(async move {
                sleep(pause).await;
                // Nobody can receive an error here. Callers see that the emulator still refuses connections.
                let _ = door::turn(&door, false).await;
            });
        }
        (["hang_new"], &Method::POST) => {
            let pause = parsed::<PauseBody>(body)?.pause();
            links.hang_new(true);
            let state = state.clone();
            tokio::spawn(async move {
                sleep(pause).await;
                state.links.hang_new(false);
            });
        }
        (["cut" | "silence" | "drain" | "reset_once" | "refuse" | "hang_new"], _) => {
            return Err(wrong_method("POST"));
        }

        (["close_at_use"], &Method::PUT) => match parsed::<UseBody>(body)?.nth {
            0 => {
                let message = "the first use of a connection is number 1";
                return Err(ScriptedAnswer::error(400, "REQUEST_INVALID", message));
            }
            nth => links.set_close_at_use(Some(nth)),
        },
        (["close_at_use"], &Method::DELETE) => links.set_close_at_use(None),
        (["close_idle"], &Method::PUT) => {
            links.close_when_idle().send_replace(Some(parsed::<PauseBody>(body)?.pause()));
        }
        (["close_idle"], &Method::DELETE) => {
            links.close_when_idle().send_replace(None);
        }
        (["close_at_use" | "close_idle"], _) => return Err(wrong_method("PUT, DELETE")),
        _ => return Err(unknown_route()),
    }
    Ok(ScriptedAnswer::new(204, ""))
}

fn failure(error: &std::io::Error) -> ScriptedAnswer {
    ScriptedAnswer::error(500, "EMULATOR_FAILED", &error.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    milliseconds: u64,
}

impl PauseBody {
    fn pause(&self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UseBody {
    nth: u64,
}
