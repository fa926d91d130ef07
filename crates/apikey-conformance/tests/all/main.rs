//! The suite on the smallest possible adapter, and on adapters that are wrong on purpose; and crowds.

mod can_fail;
mod crowds;
mod reference;

use reference::Reference;

apikey_conformance::conformance_tests!(Reference);
