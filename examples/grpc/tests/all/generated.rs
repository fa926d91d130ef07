//! The code in `generated/` is made from `proto/`, without `protoc`.

use std::fs::{read_to_string, write};
use std::path::Path;

const FILE: &str = "users.v1.rs";

/// `UPDATE_GENERATED=1 cargo test -p example-grpc generated` writes it anew.
#[test]
fn the_generated_code_is_that_of_the_proto_file() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let descriptors = protox::compile([package.join("proto/users.proto")], [package.join("proto")]).unwrap();
    tonic_prost_build::configure().build_transport(false).out_dir(made).compile_fds(descriptors).unwrap();
    let made = read_to_string(made.join(FILE)).unwrap();
    let kept = package.join("generated").join(FILE);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        write(&kept, &made).unwrap();
    }
    let is_same = read_to_string(&kept).is_ok_and(|kept| kept == made);
    assert!(is_same, "run `UPDATE_GENERATED=1 cargo test -p example-grpc generated`");
}
