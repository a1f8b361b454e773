use super::*;

#[test]
fn heads_are_understood() {
    for (head, name, filename) in [
        (
            "Content-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"",
            "file",
            Some("a b.txt"),
        ),
        ("content-disposition:form-data;name=file", "file", None),
        (
            "Content-Disposition: form-data; filename=x ; name=\"file\"",
            "file",
            Some("x"),
        ),
        (
            r#"Content-Disposition: form-data; name="file"; filename="a\"b\\c""#,
            "file",
            Some("a\"b\\c"),
        ),
        (
            r#"Content-Disposition: form-data; name="file"; filename="C:\dir\x""#,
            "file",
            Some("C:\\dir\\x"),
        ),
        (
            "Content-Disposition: form-data; name=\"file\"; filename=\"%22q%22;=é.txt\"",
            "file",
            Some("\"q\";=é.txt"),
        ),
        (
            "Content-Disposition: form-data; name=f; filename=\"x\"; filename*=utf-8''%c3%a9",
            "f",
            Some("é"),
        ),
        (
            "Content-Disposition: form-data; name=\"filename\"",
            "filename",
            None,
        ),
    ] {
        let part = PartHead::parse(format!("{head}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(
            (part.name.as_str(), part.filename.as_deref()),
            (name, filename),
            "{head}"
        );
    }
    let part = PartHead::parse(
        b"Content-Disposition: form-data; name=file\r\nContent-Type: text/plain; charset=utf-8 \r\nContent-Transfer-Encoding: BINARY\r\n\r\n",
    )
    .unwrap();
    assert_eq!(
        part.content_type.as_deref(),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(part.transfer_encoding.as_deref(), Some("binary"));
}

#[test]
fn malformed_heads_are_refused() {
    for head in [
        "",
        "Content-Type: text/plain",
        "Content-Disposition: attachment; name=file",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; filename=x",
        "Content-Disposition: form-data; name=\"file",
        "Content-Disposition: form-data; name=\"file\"x",
        "Content-Disposition: form-data; name",
        "Content-Disposition: form-data; name=f; filename*=latin1''x",
        "no colon",
    ] {
        assert!(
            PartHead::parse(format!("{head}\r\n\r\n").as_bytes()).is_err(),
            "{head}"
        );
    }
    let many = "X: y\r\n".repeat(MAX_FIELDS + 1);
    assert!(PartHead::parse(format!("{many}\r\n").as_bytes()).is_err());
}
