use super::describe_circles;
use crate::tree;
use std::collections::BTreeMap;
use std::path::Path;

/// The description of a crate that consists of these files. Its root is `src/lib.rs`.
fn described(files: &[(&str, &str)]) -> Result<String, String> {
    let files: BTreeMap<&Path, &str> = files.iter().map(|(file, text)| (Path::new(*file), *text)).collect();
    let read = |file: &Path| files.get(file).map(|text| (*text).to_owned());
    let modules = tree::modules(Path::new("src/lib.rs"), &read)?;
    Ok(describe_circles("fixture", &modules))
}

/// The circles in a crate that consists of one file.
fn circles(text: &str) -> Vec<String> {
    let described = described(&[("src/lib.rs", text)]).unwrap();
    described.lines().filter_map(|line| line.strip_prefix("  circle: ")).map(ToOwned::to_owned).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn each_line_that_makes_a_circle_is_named_once() {
    let files = [
        ("src/lib.rs", "mod a;\nmod b;"),
        ("src/a/mod.rs", "use crate::b::{B, C};\npub struct A(B);\nfn a() { use crate::b; b::b() }"),
        ("src/b.rs", "pub struct B;\npub struct C;\n\nfn b() -> crate::a::A { todo!() }"),
    ];
    let expected = "\
fixture: children of `crate` in a circle: a, b
  circle: a -> b -> a
  a -> b
    src/a/mod.rs:1: use crate::b::B, use crate::b::C
    src/a/mod.rs:3: use crate::b
  b -> a
    src/b.rs:4: crate::a::A
";
    assert_eq!(described(&files).unwrap(), expected);
}

#[test]
fn grandchildren_make_a_circle_of_the_children() {
    let text = "
        mod a { mod x { use crate::b::y::Y; } pub mod z { pub struct Z; } }
        mod b { pub mod y { pub struct Y; use crate::c::C; } }
        mod c { pub struct C; use super::a::z::Z; }
        mod d { use crate::{a, b, c}; }";
    assert_eq!(circles(text), ["a -> b -> c -> a"]);
}

#[test]
fn a_circle_deep_in_a_crate_names_its_parent() {
    let files = [
        ("src/lib.rs", "mod outer;"),
        ("src/outer.rs", "mod inner;"),
        ("src/outer/inner.rs", "mod a; mod b;"),
        ("src/outer/inner/a.rs", "use super::b::B; pub struct A;"),
        ("src/outer/inner/b.rs", "use super::super::inner::a::A; pub struct B;"),
    ];
    let described = described(&files).unwrap();
    assert!(described.contains("children of `crate::outer::inner` in a circle: a, b"), "{described}");
}

#[test]
fn a_knot_is_shown_as_circles_that_have_all_its_edges() {
    let text = "
        mod a { use crate::b::B; pub struct A; }
        mod b { use crate::{a::A, c::C}; pub struct B; }
        mod c { use crate::a::A; pub struct C; }
        mod e { use crate::f::F; pub struct E; }
        mod f { use crate::e::E; pub struct F; }";
    assert_eq!(circles(text), ["a -> b -> a", "a -> b -> c -> a", "e -> f -> e"]);
}

#[test]
fn a_parent_and_its_children_make_no_circle() {
    let text = "
        mod a {
            mod x { use super::{A, y::Y}; use crate::Root; pub struct X; }
            mod y { use crate::a::A; pub struct Y; }
            use x::X;
            pub struct A;
        }
        use a::A;
        pub struct Root;";
    assert_eq!(circles(text), NONE);
}

#[test]
fn one_way_is_no_circle() {
    let text = "
        mod a { use crate::{b::B, c::C}; }
        mod b { use crate::c::C; pub struct B; }
        mod c { pub struct C; }";
    assert_eq!(circles(text), NONE);
}

#[test]
fn what_only_tests_compile_makes_no_circle() {
    let text = "
        mod a {
            #[cfg(test)] mod tests { use crate::b::B; }
            #[cfg(test)] mod more;
            #[cfg(any(test, feature = \"fuzzing\"))] pub mod fuzzing { use crate::b::B; }
            #[cfg(all(unix, test))] use crate::b::B;
            #[test] fn works() { crate::b::b(); }
            pub struct A { #[cfg(test)] field: crate::b::B }
            pub enum E { #[cfg(test)] Variant(crate::b::B) }
            impl A { #[cfg(test)] fn made() -> crate::b::B { todo!() } }
            trait T { #[cfg(test)] fn made() -> crate::b::B; }
            fn body(a: &A) {
                #[cfg(test)] use crate::b::B;
                #[cfg(test)] crate::b::b();
                A { #[cfg(test)] field: crate::b::B };
                match a { #[cfg(test)] crate::b::OTHER => {} _ => {} }
            }
        }
        mod b { use crate::a::A; }";
    assert_eq!(circles(text), NONE);
}

#[test]
fn what_tests_leave_out_counts() {
    let text = "
        mod a { #[cfg(not(test))] use crate::b::B; pub struct A; }
        mod b { #[cfg(unix)] use crate::a::A; pub struct B; }";
    assert_eq!(circles(text), ["a -> b -> a"]);
}

#[test]
fn a_name_of_the_root_leads_to_its_definition() {
    let text = "
        pub use a::A as Renamed;
        mod a { use crate::b::B; pub struct A; }
        mod b { use crate::Renamed; pub struct B; }";
    assert_eq!(circles(text), ["a -> b -> a"]);
}

#[test]
fn a_re_export_is_followed_through_every_module() {
    let files = [
        ("src/lib.rs", "pub use a::*; mod a; mod b;"),
        ("src/a/mod.rs", "mod x; mod y; pub use x::X;"),
        ("src/a/x.rs", "use crate::b::B; use super::y::Y; pub struct X;"),
        ("src/a/y.rs", "use crate::X; pub struct Y;"),
        ("src/b.rs", "use super::X; pub struct B;"),
    ];
    let described = described(&files).unwrap();
    assert!(described.contains("circle: a -> b -> a"), "{described}");
    assert!(described.contains("circle: x -> y -> x"), "{described}");
}

#[test]
fn a_private_import_of_the_parent_leads_on() {
    let text = "
        use a::A;
        mod a { use crate::b::B; pub struct A; }
        mod b { use super::A; pub struct B; }";
    assert_eq!(circles(text), ["a -> b -> a"]);
}

#[test]
fn a_name_behind_a_star_counts_if_it_is_used() {
    let start = "use a::A; mod a { use crate::b::B; pub struct A; }";
    let used = format!("{start} mod b {{ use super::*; pub struct B; fn b() -> A {{}} }}");
    assert_eq!(circles(&used), ["a -> b -> a"]);
    let unused = format!("{start} mod b {{ use super::*; pub struct B; fn b(a: B) {{ let a = a.A; }} }}");
    assert_eq!(circles(&unused), NONE);
}

#[test]
fn paths_in_code_and_types_count() {
    for code in [
        "fn f() { let made = crate::a::make(); }",
        "fn f(a: Option<super::a::A>) {}",
        "impl From<crate::a::A> for B { fn from(_: u8) -> Self {} }",
        "fn f(b: B) -> bool { match b { super::a::LIMIT => true, _ => false } }",
        "struct C { field: <u8 as crate::a::Trait>::Output }",
        "fn f() { use crate::a::A; }",
        "fn f() { { let a = 1; } crate::a::make::<u8>() }",
        "pub(crate) mod inner { fn f() { super::super::a::make() } }",
        "#[derive(crate::a::Derive)] struct D;",
    ] {
        let text = format!(
            "mod a {{ use crate::b::B; pub struct A; }} mod b {{ pub struct B; {code} }} use b as c;"
        );
        assert_eq!(circles(&text), ["a -> b -> a"], "{code}");
    }
}

#[test]
fn a_path_that_goes_on_from_an_imported_module_counts() {
    for code in [
        "use crate::outer; fn f() { outer::b::make() }",
        "use crate::outer::{self}; fn f() { outer::b::make() }",
        "use crate::outer::{self as own}; fn f() { own::b::make() }",
        "fn f() { use crate::outer; outer::b::make() }",
    ] {
        let text = format!(
            "mod outer {{
                mod a {{ {code} pub struct A; }}
                mod b {{ use super::a::A; pub fn make() {{}} }}
            }}"
        );
        assert_eq!(circles(&text), ["a -> b -> a"], "{code}");
    }
}

#[test]
fn paths_in_macros_count() {
    for code in [
        "fn f() { println!(\"{}\", crate::a::LIMIT); }",
        "fn f() { assert!(matches!(1, super::a::LIMIT..=9)); }",
        "fn f() { vec![(1, [crate::a::LIMIT])]; }",
        "fn f() { vec![0..super::a::LIMIT]; }",
        "macro_rules! m { ($x:ident) => { $crate::a::make($x) } }",
        "crate::a::made! {}",
        "other::generate! { struct C { a: self::super::a::A } }",
    ] {
        let text = format!("mod a {{ use crate::b::B; pub struct A; }} mod b {{ pub struct B; {code} }}");
        assert_eq!(circles(&text), ["a -> b -> a"], "{code}");
    }
}

#[test]
fn fields_and_macro_variables_are_no_paths() {
    let text = "
        use a::{A, f};
        mod a { use crate::b::B; pub struct A; pub fn f() {} }
        mod b {
            use super::*;
            pub struct B;
            macro_rules! m { ($A:ident) => { $A::made() } }
            fn g(b: B) { println!(\"{}\", b.f); other::A::f(); dbg!(other::A); }
        }";
    assert_eq!(circles(text), NONE);
}

#[test]
fn an_exported_macro_leads_to_its_module() {
    let text = "
        mod a { use crate::b::B; #[macro_export] macro_rules! made { () => {} } }
        mod b { pub struct B; fn f() { crate::made!() } }";
    assert_eq!(circles(text), ["a -> b -> a"]);
}

#[test]
fn another_crate_of_a_modules_name_is_no_module() {
    for code in [
        "use log::A; fn f() { log::f(); println!(\"{}\", log::A); }",
        "use ::log::A; use super::*;",
        "use super::*; fn f() { ::log::f(); println!(\"{}\", ::log::A) }",
        "use super::*; use other::log; fn f() { log::f() }",
    ] {
        let text = format!("mod log {{ use crate::b::B; }} mod b {{ {code} pub struct B; }}");
        assert_eq!(circles(&text), NONE, "{code}");
    }
}

#[test]
fn names_that_lead_in_a_ring_end() {
    let text = "
        pub use a::*;
        mod a { pub use crate::b::*; pub use crate::b::Nowhere; fn f(_: Missing) {} }
        mod b { pub use crate::a::*; pub use crate::a::Nowhere; fn f(_: Missing) {} }";
    assert_eq!(circles(text), ["a -> b -> a"]);
}

#[test]
fn files_are_found_as_the_compiler_finds_them() {
    let files = [
        (
            "src/lib.rs",
            "mod a; mod inline { mod b; #[path = \"odd.rs\"] mod c; } #[path = \"x/d.rs\"] mod d;",
        ),
        ("src/a.rs", "#[path = \"flat.rs\"] mod e; mod f;"),
        ("src/inline/b.rs", ""),
        ("src/inline/odd.rs", ""),
        ("src/x/d.rs", "mod g;"),
        ("src/x/g/mod.rs", ""),
        ("src/flat.rs", ""),
        ("src/a/f.rs", ""),
    ];
    assert_eq!(described(&files).unwrap(), "");
}

#[test]
fn a_module_without_a_file_is_an_error() {
    let error = described(&[("src/lib.rs", "mod gone;")]).unwrap_err();
    assert_eq!(error, "there is no src/gone/mod.rs");
    let error = described(&[("src/lib.rs", "fn f() {}\nfn {")]).unwrap_err();
    assert!(error.starts_with("src/lib.rs:2: "), "{error}");
}
