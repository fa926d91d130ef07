//! The conformance suite, on the smallest adapter there can be, and on adapters that are wrong on purpose.

mod can_fail;
mod reference;

use reference::Reference;

apikey_testkit::conformance_tests!(Reference);
