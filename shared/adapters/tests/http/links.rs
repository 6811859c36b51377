//! Documents can be followed: what they link to exists, and what they look for; and the first one is short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// What a newcomer reads in five minutes.
const README_LINES: usize = 250;

/// README.md, and all documents under docs.
fn documents() -> Vec<PathBuf> {
    let in_folder = |folder: &str| fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let files = ["docs", "docs/decisions"].into_iter().flat_map(in_folder).map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.chain([Path::new(ROOT).join("README.md")]).collect()
}

/// A document without its fenced blocks.
fn prose(document: &str) -> String {
    let mut is_fenced = false;
    let is_prose = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    };
    document.lines().filter(is_prose).collect::<Vec<_>>().join("\n")
}

/// The names by which a document's headings can be linked to, as GitHub makes them.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let headings = prose(document);
    let headings = headings
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    for heading in headings {
        let lower = heading.trim().to_lowercase();
        let kept = lower.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        let anchor: String = kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = [anchor.clone()].into_iter().chain(numbered).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

#[test]
fn what_is_linked_to_exists() {
    let links = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut found, mut broken) = (0, Vec::new());
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for link in links.captures_iter(&prose(&text)) {
            let link = link.get(1).unwrap().as_str();
            if link.contains("://") {
                continue;
            }
            found += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let has_anchor = || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor));
            if !target.exists() || (!anchor.is_empty() && !has_anchor()) {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "nothing is at\n{}", broken.join("\n"));
    assert!(found > 100, "only {found} links were seen");
}

/// All code that is deployed, but for the functions' few lines.
fn code() -> String {
    let mut folders = vec![Path::new(ROOT).join("shared")];
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    code
}

#[test]
fn what_an_operator_looks_for_in_the_log_is_written_there() {
    let operations = fs::read_to_string(Path::new(ROOT).join("docs/operations.md")).unwrap();
    let (code, phrase) = (code(), Regex::new(r#""([a-z][a-z' ]+)""#).unwrap());
    let patterns = operations.lines().filter_map(|line| Some(line.split_once("--filter-pattern")?.1));
    let phrases: BTreeSet<&str> = patterns
        .flat_map(|pattern| phrase.captures_iter(pattern))
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert!(phrases.len() > 5, "only {phrases:?} were seen");
    for phrase in phrases {
        assert!(code.contains(phrase), "docs/operations.md looks for {phrase:?}, which nothing says");
    }
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines");
}
