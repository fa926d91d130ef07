//! Tests of the example over real sockets.

mod generated;
