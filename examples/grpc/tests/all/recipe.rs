//! The documentation of `apikey-axum` can't compile its recipe, because it does not depend on tonic.

/// A text without its line breaks and indentation.
fn flat(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_recipe_in_the_documentation_is_code_of_this_example() {
    let page = include_str!("../../../../crates/apikey-axum/src/recipes.md");
    let recipe = page.split("## gRPC with tonic\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let code = flat(concat!(include_str!("../../src/lib.rs"), include_str!("../../src/refusal.rs")));
    let samples: Vec<&str> = recipe.split("```").skip(1).step_by(2).collect();
    assert_eq!(samples.len(), 2);
    for part in samples.iter().flat_map(|sample| sample.strip_prefix("ignore").unwrap().split("\n\n")) {
        assert!(code.contains(flat(part).trim()), "the example has not this part of the recipe:\n{part}");
    }
}
