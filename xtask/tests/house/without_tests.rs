//! Removes what only a test build compiles: `#[cfg(test)]`, `#[cfg(any(test, ..))]` and `#[test]`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Meta, Token};

pub(crate) struct WithoutTests;

impl VisitMut for WithoutTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(is_kept);
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(is_kept);
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, block: &mut syn::ItemImpl) {
        block.items.retain(is_kept);
        visit_mut::visit_item_impl_mut(self, block);
    }

    fn visit_item_trait_mut(&mut self, definition: &mut syn::ItemTrait) {
        definition.items.retain(is_kept);
        visit_mut::visit_item_trait_mut(self, definition);
    }

    fn visit_item_enum_mut(&mut self, definition: &mut syn::ItemEnum) {
        retain(&mut definition.variants);
        visit_mut::visit_item_enum_mut(self, definition);
    }

    fn visit_fields_named_mut(&mut self, fields: &mut syn::FieldsNamed) {
        retain(&mut fields.named);
        visit_mut::visit_fields_named_mut(self, fields);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(is_kept);
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_expr_struct_mut(&mut self, literal: &mut syn::ExprStruct) {
        retain(&mut literal.fields);
        visit_mut::visit_expr_struct_mut(self, literal);
    }

    fn visit_expr_match_mut(&mut self, expression: &mut syn::ExprMatch) {
        expression.arms.retain(is_kept);
        visit_mut::visit_expr_match_mut(self, expression);
    }
}

fn retain<T: ToTokens + Clone>(list: &mut Punctuated<T, Token![,]>) {
    if !list.iter().all(is_kept) {
        *list = list.pairs().filter(|pair| is_kept(*pair.value())).map(|pair| pair.cloned()).collect();
    }
}

fn is_kept(node: &impl ToTokens) -> bool {
    !attributes_of(node).iter().any(is_of_tests)
}

/// The attributes at the start of a node of any kind.
fn attributes_of(node: &impl ToTokens) -> Vec<Attribute> {
    let start = |input: ParseStream| {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<TokenStream>()?;
        Ok(attributes)
    };
    start.parse2(node.to_token_stream()).unwrap_or_default()
}

fn is_of_tests(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("cfg") {
        return needs_test(&attribute.meta);
    }
    // `#[test]`, and the same of a runtime: `#[tokio::test]`.
    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
}

/// Whether a condition names `test` outside of `not(..)`.
fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(name) => name.is_ident("test"),
        Meta::List(list) if list.path.is_ident("not") => false,
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            parts.is_ok_and(|parts| parts.iter().any(needs_test))
        }
        Meta::NameValue(_) => false,
    }
}
