//! Finds the lines in which one module of a target names another.

use crate::names::{Import, Names, Segments, imports};
use crate::tree::{Module, ModulePath};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, Path, Stmt};

/// One line in which a module names another.
pub(crate) struct Reference {
    pub(crate) from: ModulePath,
    pub(crate) to: ModulePath,
    pub(crate) line: usize,
    /// The import or the path, as a reader finds it there.
    pub(crate) text: String,
}

/// Finds every line of `module` that names another module.
pub(crate) fn references(module: &Module, names: &Names) -> Vec<Reference> {
    let mut reader = Reader { module: &module.path, names, blocks: Vec::new(), found: Vec::new() };
    for item in &module.items {
        reader.visit_item(item);
    }
    reader.found
}

struct Reader<'a> {
    module: &'a ModulePath,
    names: &'a Names,
    /// The imports of the blocks that enclose the visited node, the innermost last.
    blocks: Vec<BTreeMap<String, Segments>>,
    found: Vec<Reference>,
}

impl Reader<'_> {
    fn note(&mut self, to: BTreeSet<ModulePath>, line: usize, text: &str) {
        self.found.extend(to.into_iter().map(|to| Reference {
            from: self.module.clone(),
            to,
            line,
            text: text.to_owned(),
        }));
    }

    fn path(&mut self, path: &[String], line: usize) {
        let to = self.names.modules_of_path(self.module, &self.blocks, path);
        self.note(to, line, &path.join("::"));
    }

    /// Reads the arguments of a macro. Their grammar is unknown, so every path in them counts.
    fn tokens(&mut self, tokens: &TokenStream) {
        for (path, line) in paths(tokens) {
            self.path(&path, line);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {
        // It is a module of its own.
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for Import { path, name, line } in imports(item) {
            let to = self.names.modules_of_import(self.module, &path);
            let all = if name.is_none() { "::*" } else { "" };
            self.note(to, line, &format!("use {}{all}", path.join("::")));
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let uses = block.stmts.iter().filter_map(|statement| match statement {
            Stmt::Item(Item::Use(item)) => Some(imports(item)),
            _ => None,
        });
        let named = uses.flatten().filter_map(|import| Some((import.name?, import.path)));
        self.blocks.push(named.collect());
        visit::visit_block(self, block);
        self.blocks.pop();
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if let (None, Some(first)) = (path.leading_colon, path.segments.first()) {
            let segments: Segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.path(&segments, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        self.visit_path(&invocation.path);
        self.tokens(&invocation.tokens);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            Meta::List(list) => self.tokens(&list.tokens),
            Meta::NameValue(pair) => self.visit_expr(&pair.value),
            Meta::Path(_) => {}
        }
    }
}

/// Finds names, and names joined by `::`. A name after a `.` is a method or a field, and a `$name` can be anything: both
/// are left out. `$crate` is the crate.
fn paths(tokens: &TokenStream) -> Vec<(Segments, usize)> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let is = |at: usize, character: char| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char() == character,
        _ => false,
    };
    let colons = |at: usize| is(at, ':') && is(at + 1, ':');
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let start = at;
        at += 1;
        match &tokens[start] {
            TokenTree::Group(group) => found.extend(paths(&group.stream())),
            TokenTree::Ident(first) => {
                let mut path = vec![first.to_string()];
                while let (true, Some(TokenTree::Ident(next))) = (colons(at), tokens.get(at + 2)) {
                    path.push(next.to_string());
                    at += 3;
                }
                let before = start.checked_sub(1);
                let unknown = before.is_some_and(|before| {
                    let range = is(before, '.') && before > 0 && is(before - 1, '.');
                    let continues = before > 0 && colons(before - 1);
                    let variable = is(before, '$') && first != "crate";
                    (is(before, '.') && !range) || continues || variable
                });
                if !unknown {
                    found.push((path, first.span().start().line));
                }
            }
            _ => {}
        }
    }
    found
}
