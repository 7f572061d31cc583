//! Accounts: which addresses can be one, and what is kept of a password.

use pillarbox_names::{AccountAddress, AddressError, Domain};
use pillarbox_policy::{Ladder, Secret, Timestamp};
use pillarbox_proto::sasl::{self, PrepareError, prepare_password};
use pillarbox_store::{NewAccount, Verifiers};
use pillarbox_transport::random;

use crate::auth::{HashingError, SCRAM_ITERATIONS, SCRAM_SALT, hash};
use crate::core::config::Settings;

/// Characters of the shortest password that is taken for a new one (NIST SP 800-63B §5.1.1.1).
pub const SHORTEST_PASSWORD: usize = 8;

/// Why an account cannot be made, or its password not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Not an address.
    #[error("\"{address}\" is not a mail address: {why}; write it like name@{example}")]
    NotAnAddress {
        /// What was typed.
        address: String,
        /// What is wrong with it.
        why: AddressError,
        /// A domain of ours.
        example: String,
    },
    /// Not one that every client and peer can send to (RFC 6531).
    #[error(
        "the part before the @ is written in ASCII letters here, so that every program can send to it"
    )]
    NotAscii,
    /// The domain is somebody else's.
    #[error(
        "\"{domain}\" is not one of this server's domains ({ours}); use one of them, or add it to \"domains\" in the configuration and reload"
    )]
    NotLocal {
        /// The domain that was typed.
        domain: Domain,
        /// The domains that there are.
        ours: String,
    },
    /// Too easily guessed.
    #[error("the password is too short; take at least {SHORTEST_PASSWORD} characters")]
    ShortPassword,
    /// Not a password every client could send.
    #[error("the password {0}")]
    Password(#[from] PrepareError),
    /// No verifier could be made.
    #[error(transparent)]
    Hashing(#[from] HashingError),
}

/// The address of an account to be made: local part as typed, domain one of ours.
///
/// # Errors
/// [`AccountError::NotAnAddress`] or [`AccountError::NotLocal`].
pub fn address(typed: &str, settings: &Settings) -> Result<AccountAddress, AccountError> {
    let address: AccountAddress = typed.parse().map_err(|why| AccountError::NotAnAddress {
        address: typed.to_owned(),
        why,
        example: settings
            .domains
            .first()
            .map_or_else(|| "example.org".to_owned(), ToString::to_string),
    })?;
    if !address.local_part().is_ascii() {
        return Err(AccountError::NotAscii);
    }
    if !settings.is_local(address.domain()) {
        let ours: Vec<&str> = settings.domains.iter().map(Domain::as_str).collect();
        return Err(AccountError::NotLocal {
            domain: address.domain().clone(),
            ours: ours.join(", "),
        });
    }
    Ok(address)
}

/// A password that may be set: long enough, and in the form every client's login is compared in.
#[derive(Debug)]
pub struct NewPassword(Secret);

impl NewPassword {
    /// Takes what was typed.
    ///
    /// # Errors
    /// It is too short or cannot be prepared (RFC 4013).
    pub fn new(typed: &Secret) -> Result<Self, AccountError> {
        let prepared = prepare_password(typed)?;
        if prepared.expose().chars().count() < SHORTEST_PASSWORD {
            return Err(AccountError::ShortPassword);
        }
        Ok(Self(prepared))
    }

    /// What is kept of it: an argon2id hash and SCRAM keys, each with a fresh salt. Takes some 50 ms of one
    /// core; not to be called on a thread that serves sessions.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn verifiers(&self) -> Result<Verifiers, AccountError> {
        let salt = random::bytes::<SCRAM_SALT>().map_err(HashingError::from)?;
        let keys = sasl::ScramKeys::derive(&self.0, &*salt, SCRAM_ITERATIONS)?;
        Ok(Verifiers {
            argon2id: hash(&self.0)?,
            scram_sha256: pillarbox_store::ScramKeys {
                salt: keys.salt.clone(),
                iterations: keys.iterations,
                stored_key: keys.stored_key,
                server_key: keys.server_key,
            },
        })
    }
}

/// An account to be made at `now`: TLS from its first day (S4.1-11, R8997-2). There is no way to make one
/// that may log in without.
#[must_use]
pub fn new_account(address: String, verifiers: Verifiers, now: Timestamp) -> NewAccount {
    NewAccount {
        address,
        verifiers,
        ladder: Ladder::new(now),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pillarbox_policy::{Channel, LadderRefusal};
    use pillarbox_testkit::clear_facts;

    use super::*;

    fn settings() -> Settings {
        crate::core::config::parse(
            "hostname = \"mail.example.org\"\ndomains = [\"example.org\", \"example.net\"]\n\
             [[certificates]]\nchain = \"c\"\nkey = \"k\"\n",
            Path::new("p.toml"),
        )
        .unwrap()
    }

    #[test]
    fn addresses_are_local_and_plain() {
        let settings = settings();
        let check = |typed: &str| {
            address(typed, &settings)
                .map(|address| address.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            check("Alice.B+tag@Example.ORG"),
            Ok("Alice.B+tag@example.org".to_owned())
        );
        assert_eq!(
            check("alice@example.com"),
            Err("\"example.com\" is not one of this server's domains (example.org, example.net); use one of them, or add it to \"domains\" in the configuration and reload".to_owned())
        );
        assert_eq!(
            check("alice"),
            Err("\"alice\" is not a mail address: there is no @ in it; write it like name@example.org".to_owned())
        );
        assert!(
            check("alice@")
                .unwrap_err()
                .contains("after the @: it is empty")
        );
        assert_eq!(
            address("älice@example.org", &settings),
            Err(AccountError::NotAscii)
        );
        assert!(check("\"a b\"@example.org").is_err());
    }

    #[test]
    fn passwords_have_a_least_length_in_characters() {
        assert_eq!(
            NewPassword::new(&Secret::from("1234567")).unwrap_err(),
            AccountError::ShortPassword
        );
        assert!(NewPassword::new(&Secret::from("12345678")).is_ok());
        assert_eq!(
            NewPassword::new(&Secret::from("üüüü")).unwrap_err(),
            AccountError::ShortPassword,
            "octets are not characters"
        );
        assert_eq!(
            NewPassword::new(&Secret::from("12345678\u{7}")).unwrap_err(),
            AccountError::Password(PrepareError::Prohibited)
        );
    }

    #[test]
    fn every_password_gets_salts_of_its_own() {
        let password = NewPassword::new(&Secret::from("correct horse")).unwrap();
        let (one, other) = (password.verifiers().unwrap(), password.verifiers().unwrap());
        assert_ne!(one.argon2id, other.argon2id);
        assert_ne!(one.scram_sha256.salt, other.scram_sha256.salt);
        assert_eq!(one.scram_sha256.iterations, SCRAM_ITERATIONS);
        let shown = format!("{password:?} {one:?}");
        assert!(!shown.contains("correct") && !shown.contains("argon2"));
    }

    #[test]
    fn a_new_account_may_not_use_cleartext() {
        let now = Timestamp(1_800_000_000);
        let verifiers = NewPassword::new(&Secret::from("correct horse"))
            .unwrap()
            .verifiers()
            .unwrap();
        let account = new_account("a@example.org".to_owned(), verifiers, now);
        assert_eq!(
            account
                .ladder
                .admits(Channel::Clear(&clear_facts()), now)
                .unwrap_err(),
            LadderRefusal::NeedsTls
        );
    }
}
