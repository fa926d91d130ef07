//! The suite that every adapter passes.

use crate::server::RocketAdapter;

apikey_conformance::conformance_tests!(RocketAdapter);
