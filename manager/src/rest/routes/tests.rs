use super::*;

#[test]
fn what_clients_make_up_makes_up_no_label() {
    for (path, wanted) in [
        ("/file", "/file"),
        ("/file/", "/file/{filename}"),
        ("/file/a/b", "/file/{filename}"),
        ("/file/a/link", "/file/{filename}/link"),
        ("/file/link", "/file/{filename}"),
        ("/file/a/b/link", "/file/{filename}"),
        ("/files", "/files"),
        ("/docs/style.css", "/docs"),
        ("/docs/other", "other"),
        ("/filesystem", "other"),
        ("/ui", "/ui"),
        ("/ui/", "/ui/{asset}"),
        ("/ui/a/b", "/ui/{asset}"),
        ("/uid", "other"),
        ("/", "other"),
    ] {
        assert_eq!(label(path), wanted, "{path}");
    }
    assert_eq!(method_label(&Method::HEAD), "HEAD");
    let made_up: Method = "MADEUP".parse().expect("a method");
    assert_eq!(method_label(&made_up), "other");
}

#[test]
fn what_the_router_serves_needs_what_the_table_says() {
    let needs = |method: &str, path| {
        let method = method.parse().expect("a method");
        Asked::of(&method, path).needs()
    };
    for path in ["/files", "/status", "/file/a"] {
        assert_eq!(needs("HEAD", path), needs("GET", path), "{path}");
        assert!(matches!(needs("GET", path), Needs::Right(_)), "{path}");
    }
    for (method, path) in [
        ("GET", "/file"),
        ("POST", "/file/a"),
        ("GET", "/file/a/link"),
        ("PUT", "/file/a/link"),
        ("OPTIONS", "/file/a"),
        ("MADEUP", "/status"),
    ] {
        assert_eq!(needs(method, path), Needs::Caller, "{method} {path}");
    }
    for path in ["/docs", "/openapi.json", "/", "/file%2Fa", "/nowhere"] {
        assert_eq!(needs("GET", path), Needs::Nothing, "{path}");
    }
}

#[test]
fn a_method_that_is_not_served_learns_of_those_that_are() {
    let others = |method, path| Asked::of(&method, path).others();
    for (method, path, wanted) in [
        (Method::POST, "/file/a", Some("GET,HEAD,PUT,DELETE")),
        (Method::GET, "/file/a/link", Some("POST")),
        (Method::OPTIONS, "/files", Some("GET,HEAD")),
        (Method::HEAD, "/file", Some("POST")),
        (Method::HEAD, "/files", None),
        (Method::POST, "/nowhere", None),
    ] {
        assert_eq!(
            others(method.clone(), path).as_deref(),
            wanted,
            "{method} {path}"
        );
    }
}

#[test]
fn no_operation_stands_twice() {
    for (at, one) in operations().enumerate() {
        for other in operations().skip(at + 1) {
            assert!(one.id != other.id && (&one.method, one.path) != (&other.method, other.path));
        }
    }
}
