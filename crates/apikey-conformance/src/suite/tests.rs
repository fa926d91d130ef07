use std::{collections::BTreeSet, fs, path::Path};

/// The names of all themes and, below them, of their cases.
fn listed() -> BTreeSet<String> {
    let themes: &[(&str, &[&str])] = conformance_tests!(@cases names);
    themes.iter().flat_map(|(theme, cases)| paths(theme, cases.iter().copied())).collect()
}

fn written() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cases");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut written = BTreeSet::new();
    for file in files.filter(|file| !file.ends_with("mod.rs")) {
        let source = fs::read_to_string(&file).unwrap();
        let cases = source.lines().filter_map(|line| line.strip_prefix("pub async fn "));
        let names = cases.filter_map(|case| case.split('(').next());
        written.extend(paths(file.file_stem().unwrap().to_str().unwrap(), names));
    }
    written
}

fn paths<'a>(theme: &str, cases: impl Iterator<Item = &'a str>) -> Vec<String> {
    let cases = cases.map(|case| format!("{theme}::{case}"));
    [theme.to_owned()].into_iter().chain(cases).collect()
}

/// An unlisted case never runs. An unlisted file does not even compile.
#[test]
fn every_case_of_every_file_is_listed() {
    let (written, listed) = (written(), listed());
    let unlisted: Vec<_> = written.difference(&listed).collect();
    assert!(unlisted.is_empty(), "add these to `conformance_tests!`: {unlisted:?}");
    // Equal only if the folder was read.
    assert_eq!(written, listed);
}
