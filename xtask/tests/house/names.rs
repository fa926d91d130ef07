//! Finds out through which modules a path leads. Imports and re-exports are followed.

use crate::tree::{Module, ModulePath};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use syn::{Item, ItemUse, UseTree};

/// A path as it is written, without generic arguments.
pub(crate) type Segments = Vec<String>;

/// One name that a `use` brings into a module, or all names of another module (`*`).
pub(crate) struct Import {
    pub(crate) path: Segments,
    /// The name in the importing module, or `None` if it is a `*`.
    pub(crate) name: Option<String>,
    pub(crate) line: usize,
}

/// The names of one module.
#[derive(Default)]
struct Scope {
    children: HashSet<String>,
    items: HashSet<String>,
    imports: HashMap<String, Vec<Segments>>,
    globs: Vec<Segments>,
}

/// The names of all modules of one target.
pub(crate) struct Names {
    scopes: HashMap<ModulePath, Scope>,
}

/// What a path can end at.
enum End {
    Module(ModulePath),
    Item,
}

/// How far one path has been followed.
#[derive(Clone, Default)]
struct Walk {
    modules: BTreeSet<ModulePath>,
    /// The imports that were followed, by module, path and name. None is followed twice, so that every walk ends.
    followed: HashSet<(ModulePath, Segments, String)>,
}

impl Names {
    pub(crate) fn of(modules: &[Module]) -> Self {
        let mut scopes: HashMap<ModulePath, Scope> = HashMap::new();
        for module in modules {
            let mut exported = Vec::new();
            let scope = scopes.entry(module.path.clone()).or_default();
            for item in &module.items {
                scope.add(item);
                exported.extend(exported_macro(item));
            }
            // `#[macro_export]` puts the name of the macro into the root.
            let root = scopes.entry(ModulePath::new()).or_default();
            for name in exported.into_iter().filter(|_| !module.path.is_empty()) {
                let path = ["crate".to_owned()].into_iter().chain(module.path.clone()).chain([name.clone()]);
                root.imports.entry(name).or_default().push(path.collect());
            }
        }
        Self { scopes }
    }

    /// The modules through which an import in `module` leads. If it ends at a module, that one is included.
    pub(crate) fn modules_of_import(&self, module: &ModulePath, path: &[String]) -> BTreeSet<ModulePath> {
        let mut walk = Walk::default();
        for end in self.follow(module, path, &mut walk) {
            if let End::Module(end) = end {
                walk.modules.insert(end);
            }
        }
        walk.modules
    }

    /// The modules through which a path in the code of `module` leads. `blocks` has the imports of the blocks around the
    /// path. If the path starts at an imported name, the modules of that import are left out: the import stands for them.
    pub(crate) fn modules_of_path(
        &self,
        module: &ModulePath,
        blocks: &[BTreeMap<String, Segments>],
        path: &[String],
    ) -> BTreeSet<ModulePath> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        let mut walk = Walk::default();
        if let Some(import) = blocks.iter().rev().find_map(|imports| imports.get(first)) {
            let whole: Segments = import.iter().chain(rest).cloned().collect();
            self.follow(module, &whole, &mut walk);
            return &walk.modules - &self.modules_of_import(module, import);
        }
        self.follow(module, path, &mut walk);
        let imports = self.scopes.get(module).and_then(|scope| scope.imports.get(first));
        for import in imports.into_iter().flatten() {
            walk.modules = &walk.modules - &self.modules_of_import(module, import);
        }
        walk.modules
    }

    /// Follows a path that is written in `from`, and notes each module in which it looked up a name.
    fn follow(&self, from: &ModulePath, path: &[String], walk: &mut Walk) -> Vec<End> {
        let mut start = from.clone();
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => start.clear(),
                "super" => drop(start.pop()),
                "self" => {}
                _ => break,
            }
            rest = others;
        }
        let mut ends = vec![End::Module(start)];
        for name in rest {
            let mut next = Vec::new();
            for end in ends {
                if let End::Module(module) = end {
                    next.extend(self.look_up(&module, name, walk));
                    walk.modules.insert(module);
                }
            }
            ends = next;
        }
        ends
    }

    fn look_up(&self, module: &ModulePath, name: &str, walk: &mut Walk) -> Vec<End> {
        let Some(scope) = self.scopes.get(module) else { return Vec::new() };
        let mut ends = Vec::new();
        if scope.children.contains(name) {
            ends.push(End::Module(module.iter().cloned().chain([name.to_owned()]).collect()));
        }
        if scope.items.contains(name) {
            ends.push(End::Item);
        }
        let imports = scope.imports.get(name);
        for path in imports.into_iter().flatten() {
            if walk.followed.insert((module.clone(), path.clone(), name.to_owned())) {
                ends.extend(self.follow(module, path, walk));
            }
        }
        if !ends.is_empty() || imports.is_some() {
            return ends;
        }
        for path in &scope.globs {
            if !walk.followed.insert((module.clone(), path.clone(), name.to_owned())) {
                continue;
            }
            // The modules behind a `*` count only if the name is found there.
            let mut through = walk.clone();
            for end in self.follow(module, path, &mut through) {
                if let End::Module(behind) = end {
                    let found = self.look_up(&behind, name, &mut through);
                    if !found.is_empty() {
                        through.modules.insert(behind);
                        walk.modules.append(&mut through.modules);
                        ends.extend(found);
                    }
                }
            }
        }
        ends
    }
}

impl Scope {
    fn add(&mut self, item: &Item) {
        let name = match item {
            Item::Use(item) => {
                for import in imports(item) {
                    match import.name {
                        Some(name) => self.imports.entry(name).or_default().push(import.path),
                        None => self.globs.push(import.path),
                    }
                }
                return;
            }
            Item::Mod(item) => {
                self.children.insert(item.ident.to_string());
                return;
            }
            Item::Macro(item) => item.ident.as_ref(),
            Item::Const(item) => Some(&item.ident),
            Item::Enum(item) => Some(&item.ident),
            Item::Fn(item) => Some(&item.sig.ident),
            Item::Static(item) => Some(&item.ident),
            Item::Struct(item) => Some(&item.ident),
            Item::Trait(item) => Some(&item.ident),
            Item::TraitAlias(item) => Some(&item.ident),
            Item::Type(item) => Some(&item.ident),
            Item::Union(item) => Some(&item.ident),
            _ => None,
        };
        self.items.extend(name.map(ToString::to_string));
    }
}

fn exported_macro(item: &Item) -> Option<String> {
    let Item::Macro(item) = item else { return None };
    let exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
    item.ident.as_ref().filter(|_| exported).map(ToString::to_string)
}

/// The names that a `use` brings in. A path that begins with `::` names another crate, and is left out.
pub(crate) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        spread(&item.tree, &mut Vec::new(), &mut found);
    }
    found
}

fn spread(tree: &UseTree, before: &mut Segments, found: &mut Vec<Import>) {
    let (ident, renamed) = match tree {
        UseTree::Path(part) => {
            before.push(part.ident.to_string());
            spread(&part.tree, before, found);
            before.pop();
            return;
        }
        UseTree::Group(group) => return group.items.iter().for_each(|tree| spread(tree, before, found)),
        UseTree::Glob(glob) => {
            let line = glob.star_token.spans[0].start().line;
            return found.push(Import { path: before.clone(), name: None, line });
        }
        UseTree::Name(part) => (&part.ident, &part.ident),
        UseTree::Rename(part) => (&part.ident, &part.rename),
    };
    let mut path = before.clone();
    // In `use a::{self}`, `self` stands for `a`.
    if ident != "self" || path.is_empty() {
        path.push(ident.to_string());
    }
    let name = if renamed == "self" { path.last().cloned() } else { Some(renamed.to_string()) };
    found.push(Import { path, name, line: ident.span().start().line });
}
