//! The server's part of a SCRAM nonce.

use aws_lc_rs::rand;
use pillarbox_proto::sasl::Nonce;

/// A fresh nonce. `None` where the system has no randomness, which is in the log then: nobody can log in.
pub(crate) fn nonce() -> Option<Nonce> {
    let mut random = [0; Nonce::RANDOM];
    if rand::fill(&mut random).is_err() {
        tracing::error!("the system has no randomness to give; logins are refused");
        return None;
    }
    Some(Nonce::from_random(random))
}

#[cfg(test)]
mod tests {
    use super::nonce;

    #[test]
    fn every_nonce_is_another() {
        let (one, other) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(one.as_str(), other.as_str());
    }
}
