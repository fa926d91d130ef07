//! `GET /api/data` and `POST /api/data`: the records of the service.

use crate::answers::{DataAnswer, ResultAnswer};
use crate::{BadRequest, Store, body};

/// Every record: the users of the data set and the created records.
pub fn list<'a>(store: &Store, key_id: &'a str) -> DataAnswer<'a> {
    DataAnswer { data: store.records(), key_id }
}

/// Stores the JSON object in the body and returns the stored record. [`list`] shows it until
/// [`MAX_CREATED`](crate::MAX_CREATED) newer ones have been created.
pub fn create<'a>(store: &Store, body: &[u8], key_id: &'a str) -> Result<ResultAnswer<'a>, BadRequest> {
    let fields = body::object(body)?.into_iter().collect();
    Ok(ResultAnswer { result: store.create(fields), key_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Record;
    use crate::{MAX_CREATED, Reply};

    fn text(reply: Reply) -> String {
        String::from_utf8(reply.body).unwrap()
    }

    fn ids(store: &Store) -> Vec<String> {
        let records = list(store, "k").data.into_iter();
        records
            .map(|record| match record {
                Record::User(user) => user.id,
                Record::Created(created) => created.id,
            })
            .collect()
    }

    #[test]
    fn the_list_names_the_users_and_the_key_that_asked() {
        let listed = text(Reply::ok(&list(&Store::new(), "api_key_7")));
        let first = r#"{"data":[{"id":"user_1","name":"Ada Lovelace","email":"ada@example.com","role":"admin","welcomed":true},"#;
        assert!(listed.starts_with(first), "{listed}");
        assert!(listed.ends_with(r#"}],"key_id":"api_key_7"}"#), "{listed}");
    }

    #[test]
    fn what_was_created_is_listed() {
        let store = Store::new();
        let made = text(create(&store, br#"{"team":"blue","name":"Ada","n":{"b":[1,null]}}"#, "k").into());
        assert_eq!(
            made,
            r#"{"result":{"id":"record_1","n":{"b":[1,null]},"name":"Ada","team":"blue"},"key_id":"k"}"#
        );
        assert_eq!(ids(&store).last().unwrap(), "record_1");
    }

    #[test]
    fn the_server_gives_the_id_whatever_the_body_says() {
        let made = text(create(&Store::new(), br#"{"id":"user_1"}"#, "k").into());
        assert_eq!(made, r#"{"result":{"id":"record_1"},"key_id":"k"}"#);
    }

    #[test]
    fn a_refused_body_stores_nothing() {
        let store = Store::new();
        for body in ["", "[]", "{", "1"] {
            assert_eq!(create(&store, body.as_bytes(), "k").unwrap_err().status(), 400, "{body}");
        }
        assert_eq!(ids(&store).len(), 5);
    }

    #[test]
    fn the_oldest_record_makes_room_and_no_id_comes_twice() {
        let store = Store::new();
        for _ in 0..MAX_CREATED + 3 {
            create(&store, b"{}", "k").unwrap();
        }
        let ids = ids(&store);
        assert_eq!(ids.len(), 5 + MAX_CREATED);
        assert_eq!(ids[5], "record_4");
        assert_eq!(ids[5 + MAX_CREATED - 1], format!("record_{}", MAX_CREATED + 3));
    }
}
