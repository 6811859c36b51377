//! The page itself: plain files, built into the program.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::answers::typed;

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($name:literal $kind:expr,)+) => {
        [$(($name, $kind, include_str!(concat!("../../assets/", $name))),)+]
    };
}

const ASSETS: [(&str, &str, &str); 17] = assets! {
    "index.html" "text/html; charset=utf-8",
    "style.css" "text/css; charset=utf-8",
    "icon.svg" "image/svg+xml",
    "api.js" SCRIPT,
    "batch.js" SCRIPT,
    "dom.js" SCRIPT,
    "forms.js" SCRIPT,
    "ledger.js" SCRIPT,
    "live.js" SCRIPT,
    "main.js" SCRIPT,
    "order.js" SCRIPT,
    "pages.js" SCRIPT,
    "past.js" SCRIPT,
    "picture.js" SCRIPT,
    "problem.js" SCRIPT,
    "product.js" SCRIPT,
    "words.js" SCRIPT,
};

/// A file of the page: `index.html` for the address itself.
pub(super) fn asset(path: &str) -> Response<Body> {
    let wanted = path.strip_prefix('/').filter(|name| !name.is_empty()).unwrap_or("index.html");
    let found = ASSETS.iter().find(|(name, ..)| *name == wanted);
    found.map_or_else(
        || typed(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "there is no such file: the page is at /"),
        |(_, kind, text)| typed(StatusCode::OK, kind, *text),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert_eq!(asset(&format!("/{name}")).status(), StatusCode::OK, "{name}");
        }
        assert_eq!(asset("/").status(), StatusCode::OK);
        assert_eq!(asset("/../Cargo.toml").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn no_file_has_what_the_policy_forbids_or_makes_markup_of_text() {
        for (name, _, text) in ASSETS {
            let wrong = [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " style=",
                "https://",
                "//cdn",
            ];
            for wrong in wrong {
                assert!(!text.contains(wrong), "{name} has {wrong}");
            }
        }
    }
}
