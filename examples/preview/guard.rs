//! The preview has no login. What keeps other web sites out of it: it is reached only under the
//! names of this machine, and only pages that it served itself may call it.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::App;

/// Refuses requests under a foreign name (DNS rebinding) and from pages of other origins.
pub async fn own_origin_only(State(app): State<App>, request: Request, next: Next) -> Response {
    if allowed(request.headers(), app.loopback_only) {
        next.run(request).await
    } else {
        let message = "Lotwise preview answers only to its own pages, under a local address\n";
        (StatusCode::FORBIDDEN, message).into_response()
    }
}

fn allowed(headers: &HeaderMap, loopback_only: bool) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(host) = text(header::HOST) else {
        return false;
    };
    if loopback_only && !is_loopback(host) {
        return false;
    }
    match text(header::ORIGIN) {
        None => true,
        Some(origin) => origin
            .parse::<Uri>()
            .is_ok_and(|origin| origin.authority().is_some_and(|from| from == host)),
    }
}

fn is_loopback(host: &str) -> bool {
    let Ok(host) = host.parse::<axum::http::uri::Authority>() else {
        return false;
    };
    matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_pages() {
        let headers = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            headers
        };
        assert!(allowed(&headers("localhost:3300", None), true));
        assert!(allowed(&headers("127.0.0.1:3300", Some("http://127.0.0.1:3300")), true));
        assert!(!allowed(&headers("127.0.0.1:3300", Some("http://evil.example")), true));
        assert!(!allowed(&headers("127.0.0.1:3300", Some("null")), true));
        assert!(!allowed(&headers("evil.example:3300", None), true));
        assert!(allowed(&headers("factory:3300", None), false));
        assert!(!allowed(&HeaderMap::new(), false));
    }
}
