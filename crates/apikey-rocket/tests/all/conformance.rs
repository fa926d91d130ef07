//! The suite that every adapter passes.

use crate::server::RocketAdapter;

apikey_testkit::conformance_tests!(RocketAdapter);
