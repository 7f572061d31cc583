//! SASLprep (RFC 4013) with limits: both ends must mean the same octets by a login and a password.

use pillarbox_policy::Secret;
use zeroize::Zeroizing;

/// The longest login, in octets, before and after preparation (RFC 4616 §2 asks for 255).
pub const MAX_LOGIN: usize = 255;

/// The longest password, in octets, before and after preparation. Bounds what one attempt can cost.
pub const MAX_PASSWORD: usize = 1024;

/// Why a login or password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// There is nothing, or nothing is left of it once prepared.
    #[error("is empty; type at least one character")]
    Empty,
    /// Longer than [`MAX_LOGIN`] or [`MAX_PASSWORD`].
    #[error("is too long; {limit} octets are the most")]
    TooLong {
        /// The limit, in octets.
        limit: usize,
    },
    /// Not UTF-8, or holds characters RFC 4013 prohibits.
    #[error(
        "holds characters that cannot be used, such as control or unassigned ones; leave them out"
    )]
    Prohibited,
}

/// Prepares a login name.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare_login(login: &str) -> Result<String, PrepareError> {
    prepare(login, MAX_LOGIN).map(|mut login| std::mem::take(&mut *login))
}

/// Prepares a password. What verifies a password is made from this form, and checked against this form.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare_password(password: &Secret) -> Result<Secret, PrepareError> {
    prepare(password.expose(), MAX_PASSWORD)
        .map(|mut password| Secret::new(std::mem::take(&mut *password)))
}

fn prepare(text: &str, limit: usize) -> Result<Zeroizing<String>, PrepareError> {
    if text.len() > limit {
        return Err(PrepareError::TooLong { limit });
    }
    // A NUL parts the fields of PLAIN. SASLprep prohibits it, like every control character.
    let prepared = stringprep::saslprep(text)
        .map(|prepared| Zeroizing::new(prepared.into_owned()))
        .map_err(|_| PrepareError::Prohibited)?;
    match prepared.len() {
        0 => Err(PrepareError::Empty),
        length if length > limit => Err(PrepareError::TooLong { limit }),
        _ => Ok(prepared),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4013_examples() {
        assert_eq!(prepare_login("I\u{ad}X").as_deref(), Ok("IX"));
        assert_eq!(prepare_login("user").as_deref(), Ok("user"));
        assert_eq!(prepare_login("USER").as_deref(), Ok("USER"));
        assert_eq!(prepare_login("\u{aa}").as_deref(), Ok("a"));
        assert_eq!(prepare_login("\u{2168}").as_deref(), Ok("IX"));
        assert_eq!(prepare_login("\u{7}"), Err(PrepareError::Prohibited));
        assert_eq!(prepare_login("\u{627}1"), Err(PrepareError::Prohibited));
    }

    #[test]
    fn limits_hold_before_and_after() {
        assert_eq!(prepare_login(""), Err(PrepareError::Empty));
        assert_eq!(prepare_login("\u{ad}"), Err(PrepareError::Empty));
        assert!(prepare_login(&"x".repeat(MAX_LOGIN)).is_ok());
        let too_long = Err(PrepareError::TooLong { limit: MAX_LOGIN });
        assert_eq!(prepare_login(&"x".repeat(MAX_LOGIN + 1)), too_long);
        // One ligature of 3 octets becomes 33.
        assert_eq!(prepare_login(&"\u{fdfa}".repeat(60)), too_long);
        assert!(prepare_password(&Secret::new("x".repeat(MAX_PASSWORD))).is_ok());
        assert_eq!(
            prepare_password(&Secret::new("x".repeat(MAX_PASSWORD + 1))),
            Err(PrepareError::TooLong {
                limit: MAX_PASSWORD
            })
        );
    }

    proptest::proptest! {
        #[test]
        fn preparing_twice_changes_nothing(text in "\\PC{0,40}") {
            if let Ok(once) = prepare_login(&text) {
                proptest::prop_assert_eq!(prepare_login(&once), Ok(once));
            }
        }
    }
}
