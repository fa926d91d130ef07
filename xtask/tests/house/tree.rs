//! Reads the modules of one target. Code that only tests compile is left out.

use crate::without_tests::WithoutTests;
use std::path::{Path, PathBuf};
use syn::visit_mut::VisitMut;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

/// The names on the way from the root of a crate to a module. The path of the root is empty.
pub(crate) type ModulePath = Vec<String>;

/// One module. A child `mod x { .. }` is among its items, and is a `Module` of its own, too.
pub(crate) struct Module {
    pub(crate) path: ModulePath,
    pub(crate) file: PathBuf,
    /// The attributes inside of its file or its `mod x { .. }`.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) items: Vec<Item>,
}

/// Returns the text of a file, or `None` if there is no such file.
pub(crate) type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Reads the root file of a target and every file that is declared as a module.
pub(crate) fn modules(root_file: &Path, read: Read) -> Result<Vec<Module>, String> {
    let mut loader = Loader { read, modules: Vec::new() };
    loader.load(ModulePath::new(), root_file, parent_of(root_file))?;
    Ok(loader.modules)
}

struct Loader<'a> {
    read: Read<'a>,
    modules: Vec<Module>,
}

/// A module whose children are being read.
struct Place<'a> {
    path: ModulePath,
    file: &'a Path,
    /// The folder that has the files of its children.
    folder: PathBuf,
    /// The folder at which the `#[path]` of a child starts.
    path_folder: PathBuf,
}

impl Loader<'_> {
    fn load(&mut self, path: ModulePath, file: &Path, folder: PathBuf) -> Result<(), String> {
        let text = (self.read)(file).ok_or_else(|| format!("there is no {}", file.display()))?;
        let mut parsed = syn::parse_file(&text)
            .map_err(|error| format!("{}:{}: {error}", file.display(), error.span().start().line))?;
        WithoutTests.visit_file_mut(&mut parsed);
        self.add(Place { path, file, folder, path_folder: parent_of(file) }, parsed.attrs, parsed.items)
    }

    fn add(&mut self, place: Place, attributes: Vec<Attribute>, items: Vec<Item>) -> Result<(), String> {
        for item in &items {
            if let Item::Mod(child) = item {
                self.child(&place, child)?;
            }
        }
        self.modules.push(Module { path: place.path, file: place.file.to_owned(), attributes, items });
        Ok(())
    }

    fn child(&mut self, parent: &Place, child: &ItemMod) -> Result<(), String> {
        let name = child.ident.to_string();
        let path: ModulePath = parent.path.iter().chain([&name]).cloned().collect();
        let folder = parent.folder.join(&name);
        if let Some((_, items)) = &child.content {
            let place = Place { path, file: parent.file, folder: folder.clone(), path_folder: folder };
            return self.add(place, child.attrs.clone(), items.clone());
        }
        if let Some(named) = path_attribute(&child.attrs) {
            let file = parent.path_folder.join(named);
            return self.load(path, &file, parent_of(&file));
        }
        let file = parent.folder.join(format!("{name}.rs"));
        let file = if (self.read)(&file).is_some() { file } else { folder.join("mod.rs") };
        self.load(path, &file, folder)
    }
}

fn parent_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}
