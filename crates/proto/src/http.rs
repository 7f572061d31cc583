//! Requests of another protocol: a browser was made to talk to a mail server (S6).

/// The methods of HTTP, and the first word of HTTP/2.
const METHODS: [&[u8]; 10] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PRI",
];

/// Whether a line is the first one of an HTTP request: a method, and a version at its end.
pub(crate) fn is_request(line: &[u8]) -> bool {
    let mut words = line.split(|octet| *octet == b' ');
    let method = words.next().unwrap_or_default();
    METHODS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(method))
        && words.next_back().is_some_and(|last| {
            last.get(..5)
                .is_some_and(|head| head.eq_ignore_ascii_case(b"HTTP/"))
        })
}

#[cfg(test)]
mod tests {
    use super::is_request;

    #[test]
    fn requests() {
        for line in [
            "GET / HTTP/1.1",
            "post /a b HTTP/1.0",
            "PRI * HTTP/2.0",
            "CONNECT mail.example.org:143 http/1.1",
        ] {
            assert!(is_request(line.as_bytes()), "{line}");
        }
        for line in [
            "",
            "GET",
            "GET /",
            "GET LOGIN ann secret",
            "a1 HTTP/1.1",
            "DELETE HTTP",
        ] {
            assert!(!is_request(line.as_bytes()), "{line}");
        }
    }
}
