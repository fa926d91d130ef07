//! The service `Users`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use apikey_axum::{Authenticator, Policy};
use tonic::{Request, Response, Status, Streaming};

use crate::generated::users_server::Users;
use crate::generated::{ImportResponse, ListRequest, User, WhoAmIRequest, WhoAmIResponse};
use crate::refusal::{allow, key_of};

/// How many users are kept. An import of more is refused.
const MAX_USERS: usize = 1_000;

/// The users, in memory.
pub(crate) struct Directory {
    keys: Authenticator,
    may_list: Policy,
    may_import: Policy,
    users: Mutex<Vec<User>>,
}

impl Directory {
    pub(crate) fn new(keys: Authenticator) -> Self {
        let users = ["Ada Lovelace", "Grace Hopper"].map(|name| User { name: name.to_owned() });
        Self {
            keys,
            may_list: Policy::scope("read:users"),
            may_import: Policy::all(["read:users", "write:users"]),
            users: Mutex::new(users.into()),
        }
    }

    fn users(&self) -> MutexGuard<'_, Vec<User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl Users for Directory {
    async fn who_am_i(&self, request: Request<WhoAmIRequest>) -> Result<Response<WhoAmIResponse>, Status> {
        let key = key_of(&request)?;
        Ok(Response::new(WhoAmIResponse {
            key_id: key.key_id().to_owned(),
            organization: key.organization_code().map(str::to_owned),
            scopes: key.scopes().map(str::to_owned).collect(),
        }))
    }

    type ListStream = tokio_stream::Iter<std::vec::IntoIter<Result<User, Status>>>;

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<Self::ListStream>, Status> {
        allow(&self.keys, &key_of(&request)?, &self.may_list)?;
        let users: Vec<_> = self.users().iter().cloned().map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(users)))
    }

    async fn import(&self, request: Request<Streaming<User>>) -> Result<Response<ImportResponse>, Status> {
        let key = key_of(&request)?;
        // Before the first message is read.
        allow(&self.keys, &key, &self.may_import)?;
        let mut messages = request.into_inner();
        let mut imported = 0;
        while let Some(user) = messages.message().await? {
            let mut users = self.users();
            if users.len() >= MAX_USERS {
                return Err(Status::resource_exhausted(format!("more than {MAX_USERS} users are not kept")));
            }
            users.push(user);
            imported += 1;
        }
        Ok(Response::new(ImportResponse { imported, imported_by: key.key_id().to_owned() }))
    }
}
