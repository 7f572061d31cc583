//! Names of hosts and mail domains.

/// Checks a host name or mail domain and puts it in lower case: labels of letters, digits and hyphens, at
/// most 63 octets each and 253 in all (RFC 1123 §2.1, RFC 5321 §4.1.2). Names in other scripts are written in
/// their ASCII form (`xn--...`).
///
/// # Errors
/// What is wrong, to stand behind "is not a host name: ".
pub(crate) fn check(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 253 {
        return Err("it is longer than 253 characters");
    }
    if !name.is_ascii() {
        return Err("names in other scripts are written in their xn-- form here");
    }
    if name.ends_with('.') {
        return Err("it ends in a dot");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("there is nothing between two dots");
        }
        if label.len() > 63 {
            return Err("a part between dots is longer than 63 characters");
        }
        if !label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err("only letters, digits, hyphens and dots can stand in it");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a hyphen stands at the start or end of a part");
        }
    }
    if name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err("it is an address, not a name");
    }
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_are_checked_and_lowered() {
        assert_eq!(check("Mail.Example.ORG"), Ok("mail.example.org".to_owned()));
        assert_eq!(check("localhost"), Ok("localhost".to_owned()));
        assert_eq!(
            check("xn--bcher-kva.example"),
            Ok("xn--bcher-kva.example".to_owned())
        );
        assert_eq!(check(""), Err("it is empty"));
        assert_eq!(check("example.org."), Err("it ends in a dot"));
        assert_eq!(
            check("example..org"),
            Err("there is nothing between two dots")
        );
        assert_eq!(
            check("exa_mple.org"),
            Err("only letters, digits, hyphens and dots can stand in it")
        );
        assert_eq!(
            check("-a.org"),
            Err("a hyphen stands at the start or end of a part")
        );
        assert_eq!(check("192.0.2.1"), Err("it is an address, not a name"));
        assert_eq!(
            check(&format!("{}.org", "a".repeat(64))),
            Err("a part between dots is longer than 63 characters")
        );
        assert_eq!(
            check(&"a.".repeat(127)),
            Err("it is longer than 253 characters")
        );
        assert!(check("bücher.example").is_err());
    }
}
