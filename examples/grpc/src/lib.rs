//! A gRPC API on tonic that asks for API keys.
//!
//! A layer stands in front of each service, so that a service without one stays open. Such a service may be health
//! checks or reflection. The layer refuses in gRPC's own way: the client sees a status such as `UNAUTHENTICATED` with
//! the message, and `retry-after` in its metadata.
//!
//! | service | its layer asks for | its methods ask for |
//! | --- | --- | --- |
//! | `Users` | any active key | `List`: `read:users`; `Import`: `read:users` and `write:users` |
//! | `Administration` | the scope `admin` | |

mod administration;
mod refusal;
mod users;

use apikey_axum::{Authenticator, Policy};
use tonic::service::{LayerExt as _, Routes};

use administration::Keys;
use generated::administration_server::AdministrationServer;
use generated::users_server::UsersServer;
use users::Directory;

/// The messages, clients and servers of `proto/users.proto`. A test says how to make them anew. With `protoc` on every
/// machine that builds this, a build script with `tonic_prost_build::compile_protos` does it, too.
pub mod generated {
    #![allow(clippy::all)]
    include!("../generated/users.v1.rs");
}

/// All services, each behind its layer.
#[must_use]
pub fn routes(keys: &Authenticator) -> Routes {
    let users = UsersServer::new(Directory::new(keys.clone()));
    let administration = AdministrationServer::new(Keys::new(keys.clone()));
    Routes::new(keys.require(Policy::any_key()).named_layer(users))
        .add_service(keys.require(Policy::scope("admin")).named_layer(administration))
}
