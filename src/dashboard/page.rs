//! The files of the page at `/`. They are compiled into the program, and load nothing from elsewhere.

/// Media type and text of a file of the page.
pub fn asset(path: &str) -> Option<(&'static str, &'static str)> {
    Some(match path {
        "/" => ("text/html; charset=utf-8", include_str!("page/index.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page/page.css")),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("page/page.js")),
        "/numbers.js" => ("text/javascript; charset=utf-8", include_str!("page/numbers.js")),
        "/routes.js" => ("text/javascript; charset=utf-8", include_str!("page/routes.js")),
        "/server.js" => ("text/javascript; charset=utf-8", include_str!("page/server.js")),
        "/shares.js" => ("text/javascript; charset=utf-8", include_str!("page/shares.js")),
        _ => return None,
    })
}
