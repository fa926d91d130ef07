//! The reference servers: which there are, and how one is built.

use std::path::PathBuf;
use xtask::cargo;

/// All reference servers. The first is the default.
pub(crate) const SERVERS: &[Binary] = &[
    Binary { framework: "axum", package: "example-axum" },
    Binary { framework: "actix", package: "example-actix" },
    Binary { framework: "rocket", package: "example-rocket" },
    Binary { framework: "warp", package: "example-warp" },
];

/// A reference server. Package and binary have the same name.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) framework: &'static str,
    pub(crate) package: &'static str,
}

/// The server of this framework, or the default one.
pub(crate) fn find(framework: Option<&str>) -> Result<&'static Binary, String> {
    let Some(framework) = framework else { return Ok(&SERVERS[0]) };
    SERVERS
        .iter()
        .find(|server| server.framework == framework)
        .ok_or_else(|| format!("there is no reference server '{framework}'. The servers are: {}", names()))
}

/// The frameworks that have a reference server.
pub(crate) fn names() -> String {
    SERVERS.iter().map(|server| server.framework).collect::<Vec<_>>().join(", ")
}

impl Binary {
    /// Builds the server, and returns the path of the binary.
    pub(crate) fn build(&self) -> Result<PathBuf, String> {
        cargo::build(self.package, &[])
    }
}
