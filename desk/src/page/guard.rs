//! Who may ask the desk. It acts with the rights of whoever started it, so no other page in their browser may use it: not
//! by a form, a script or an image, and not by a name that is made to lead to this machine (DNS rebinding).

use axum::http::{HeaderMap, HeaderName, Method, header};

use super::answers::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names of this machine that no other machine has.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether a request is one that the desk's own page makes, or somebody who types its address.
pub(super) fn check(method: &Method, path: &str, headers: &HeaderMap, port: u16) -> Result<(), Refusal> {
    let host = text(headers, &header::HOST).filter(|host| is_own(host, port)).ok_or(Refusal::Host { port })?;
    let is_asset = !path.starts_with("/api/") && !path.starts_with("/desk/");
    if method == Method::GET || method == Method::HEAD {
        // A link from elsewhere may lead to the page. What the page asks, only the page asks.
        let is_let = is_asset || each(headers, &SEC_FETCH_SITE, |site| matches!(site, "same-origin" | "none"));
        return if is_let { Ok(()) } else { Err(Refusal::Stranger) };
    }
    // Browsers send an origin with each of these. A tool without one has no page that somebody else could have made.
    let is_own_origin = each(headers, &header::ORIGIN, |origin| origin.strip_prefix("http://") == Some(host));
    if !is_own_origin || !each(headers, &SEC_FETCH_SITE, |site| site == "same-origin") {
        return Err(Refusal::Stranger);
    }
    // No form can send it, and a script elsewhere would have to ask first, which nobody here agrees to.
    let content_type = text(headers, &header::CONTENT_TYPE).and_then(|value| value.split(';').next()).map(str::trim);
    if content_type.is_some_and(|value| value.eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(Refusal::ContentType)
    }
}

/// A header that is there once, as text; two of a kind count as none.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether each of a header's values is as it should be, if there is any.
fn each(headers: &HeaderMap, name: &HeaderName, is_right: impl Fn(&str) -> bool) -> bool {
    headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(&is_right))
}

fn is_own(host: &str, port: u16) -> bool {
    let with_port = |name: &str| host.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
    NAMES.iter().any(|name| with_port(name) == Some(&port.to_string()) || (port == 80 && host == *name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const HOST: (&str, &str) = ("host", "localhost:4000");
    const ORIGIN: (&str, &str) = ("origin", "http://localhost:4000");
    const JSON: (&str, &str) = ("content-type", "application/json");

    fn asked(method: &str, path: &str, headers: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        check(&method.parse().unwrap(), path, &map, 4000)
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["localhost:4000", "127.0.0.1:4000", "[::1]:4000"] {
            assert_eq!(asked("GET", "/", &[("host", host)]), Ok(()), "{host}");
        }
        let others =
            ["evil.example:4000", "localhost", "localhost:80", "localhost:40000", "localhost.evil.example:4000"];
        for host in
            others.into_iter().chain(["xlocalhost:4000", "127.0.0.1.nip.io:4000", "localhost:4000@evil.example"])
        {
            assert_eq!(asked("GET", "/", &[("host", host)]), Err(Refusal::Host { port: 4000 }), "{host}");
        }
        assert_eq!(asked("GET", "/", &[]), Err(Refusal::Host { port: 4000 }));
        assert_eq!(asked("GET", "/", &[HOST, HOST]), Err(Refusal::Host { port: 4000 }));
    }

    #[test]
    fn another_page_may_link_to_the_desk_but_reads_nothing() {
        for site in ["cross-site", "same-site"] {
            assert_eq!(asked("GET", "/", &[HOST, ("sec-fetch-site", site)]), Ok(()));
            for path in ["/api/products/A", "/desk/events", "/desk/settings"] {
                assert_eq!(
                    asked("GET", path, &[HOST, ("sec-fetch-site", site)]),
                    Err(Refusal::Stranger),
                    "{site} {path}"
                );
            }
        }
        for site in ["same-origin", "none"] {
            assert_eq!(asked("GET", "/api/products/A", &[HOST, ("sec-fetch-site", site)]), Ok(()));
        }
    }

    #[test]
    fn another_page_changes_nothing() {
        let strangers =
            ["http://evil.example", "http://localhost:4001", "https://localhost:4000", "null", "http://127.0.0.1:4000"];
        for origin in strangers {
            let refused = asked("POST", "/api/batches", &[HOST, JSON, ("origin", origin)]);
            assert_eq!(refused, Err(Refusal::Stranger), "{origin}");
        }
        for site in ["cross-site", "same-site", "none"] {
            let refused = asked("DELETE", "/api/orders/o1", &[HOST, ORIGIN, JSON, ("sec-fetch-site", site)]);
            assert_eq!(refused, Err(Refusal::Stranger), "{site}");
        }
        assert_eq!(
            asked("POST", "/api/batches", &[HOST, JSON, ("sec-fetch-site", "cross-site")]),
            Err(Refusal::Stranger)
        );
    }

    #[test]
    fn a_change_is_json_as_no_form_can_send_it() {
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
        {
            let refused = asked("POST", "/api/batches", &[HOST, ORIGIN, ("content-type", content_type)]);
            assert_eq!(refused, Err(Refusal::ContentType), "{content_type}");
        }
        assert_eq!(asked("POST", "/api/batches", &[HOST, ORIGIN]), Err(Refusal::ContentType));
        let utf8 = ("content-type", "application/json; charset=utf-8");
        assert_eq!(asked("POST", "/api/batches", &[HOST, ORIGIN, utf8, ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(asked("POST", "/api/batches", &[HOST, JSON]), Ok(()), "a tool");
    }
}
