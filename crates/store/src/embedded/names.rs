//! What accounts and mailboxes may be called.

use std::borrow::Cow;

use crate::{MailboxId, StoreError};

/// What parts the levels of a mailbox name.
pub(crate) const LEVELS: char = '/';
/// The mailbox every account has (RFC 9051 §5.1).
pub(crate) const INBOX: &str = "INBOX";
/// Octets of an address: RFC 5321 §4.5.3.1.3 less the angle brackets.
const LONGEST_ADDRESS: usize = 254;
/// Octets of a mailbox name in all.
const LONGEST_NAME: usize = 1000;
/// Levels of a mailbox name.
const DEEPEST: usize = 32;

/// The key of an address: without regard to ASCII case.
///
/// # Errors
/// [`StoreError::BadName`]: it is not `local@domain`, or longer than 254 octets.
pub(crate) fn address(address: &str) -> Result<String, StoreError> {
    let bad = |why| Err(StoreError::bad_name(shown(address), why));
    if address.len() > LONGEST_ADDRESS {
        return bad("an address has at most 254 octets");
    }
    if address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return bad("an address has no spaces or control characters");
    }
    match address.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => Ok(key(address)),
        _ => bad("an address has the form local@domain"),
    }
}

/// The key under which an address is found, if it is one.
pub(crate) fn key(address: &str) -> String {
    address.to_ascii_lowercase()
}

/// A mailbox name as it is stored: `INBOX` as the first level is spelled so, whatever its case.
pub(crate) fn spelled(name: &str) -> Cow<'_, str> {
    let first = name.split(LEVELS).next().unwrap_or(name);
    if first != INBOX && first.eq_ignore_ascii_case(INBOX) {
        let below = name.get(first.len()..).unwrap_or_default();
        Cow::Owned(format!("{INBOX}{below}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// What a mailbox is called that is on its way out: no name that a client can give.
pub(crate) fn nameless(mailbox: MailboxId) -> String {
    format!("\u{1}{}", mailbox.0)
}

/// The name of a mailbox to be made, as it will be stored.
///
/// # Errors
/// [`StoreError::BadName`]: an empty level, a control character, `*` or `%` (which `LIST` could not ask
/// for), more than 1,000 octets or 32 levels.
pub(crate) fn mailbox(name: &str) -> Result<String, StoreError> {
    let why = if name.is_empty() {
        "a name has at least one character"
    } else if name.len() > LONGEST_NAME {
        "a name has at most 1000 octets"
    } else if name.chars().any(char::is_control) {
        "a name has no control characters"
    } else if name.contains(['*', '%']) {
        "a name has no * or %"
    } else if name.split(LEVELS).any(str::is_empty) {
        "no level of a name is empty"
    } else if name.split(LEVELS).count() > DEEPEST {
        "a name has at most 32 levels"
    } else {
        return Ok(spelled(name).into_owned());
    };
    Err(StoreError::bad_name(shown(name), why))
}

/// The names above `name`, outermost first.
pub(crate) fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(LEVELS)
        .filter_map(|(at, _)| name.get(..at))
}

/// Whether `name` is below `above`.
pub(crate) fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with(LEVELS))
}

/// As much of a name as an error should carry.
fn shown(name: &str) -> String {
    name.chars().take(LONGEST_ADDRESS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn why(result: Result<String, StoreError>) -> &'static str {
        match result.unwrap_err() {
            StoreError::BadName { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn inbox_is_spelled_so_in_any_case_and_only_as_the_first_level() {
        assert_eq!(spelled("inBox"), "INBOX");
        assert_eq!(spelled("inbox/x"), "INBOX/x");
        assert_eq!(spelled("inboxes"), "inboxes");
        assert_eq!(spelled("x/inbox"), "x/inbox");
    }

    #[test]
    fn names_that_cannot_be_used_say_why() {
        assert_eq!(why(mailbox("")), "a name has at least one character");
        for name in ["/", "a//b", "/a", "a/"] {
            assert_eq!(why(mailbox(name)), "no level of a name is empty");
        }
        assert_eq!(why(mailbox("a\nb")), "a name has no control characters");
        assert_eq!(why(mailbox("a%")), "a name has no * or %");
        assert_eq!(
            why(mailbox(&"a".repeat(1001))),
            "a name has at most 1000 octets"
        );
        assert_eq!(
            why(mailbox(&vec!["a"; 33].join("/"))),
            "a name has at most 32 levels"
        );
    }

    #[test]
    fn names_of_any_script_can_be_used() {
        assert_eq!(mailbox("Entwürfe/日本語 é").unwrap(), "Entwürfe/日本語 é");
    }

    #[test]
    fn addresses_lose_their_case() {
        assert_eq!(address("Jane@Example.ORG").unwrap(), "jane@example.org");
        for wrong in ["jane", "@example.org", "jane@"] {
            assert_eq!(why(address(wrong)), "an address has the form local@domain");
        }
        assert_eq!(
            why(address("ja ne@example.org")),
            "an address has no spaces or control characters"
        );
    }

    #[test]
    fn names_above_come_outermost_first() {
        assert_eq!(above("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(above("a").count(), 0);
    }

    #[test]
    fn below_means_whole_levels() {
        assert!(is_below("a/b", "a"));
        assert!(!is_below("ab", "a"));
        assert!(!is_below("a", "a"));
    }

    proptest! {
        #[test]
        fn a_name_that_was_taken_is_taken_again_unchanged(name: String) {
            if let Ok(taken) = mailbox(&name) {
                prop_assert_eq!(mailbox(&taken).unwrap(), taken);
            }
        }

        #[test]
        fn every_name_above_is_a_name(name in "[a-zé/]{1,40}") {
            if let Ok(taken) = mailbox(&name) {
                for parent in above(&taken) {
                    prop_assert!(mailbox(parent).is_ok());
                    prop_assert!(is_below(&taken, parent));
                }
            }
        }
    }
}
