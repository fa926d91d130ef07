//! What the commands and the tests of this package share.

pub mod cargo;
pub mod openapi_tools;
pub mod ops;
pub mod ports;
pub mod running;
