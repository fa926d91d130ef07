//! Tests that read the sources of the workspace.

mod circles;
mod names;
mod references;
mod tree;
mod without_tests;
