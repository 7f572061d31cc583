//! The server's end of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.

use pillarbox_policy::{ChannelBinding, SecretBytes};
use subtle::ConstantTimeEq;

use super::{
    keys::ScramKeys,
    message::{ClientFinal, ClientFirst, Flag, ServerFirst, TLS_EXPORTER},
};
use crate::sasl::coding;
use crate::sasl::failure::ServerFailure as Failure;
use crate::sasl::nonce::Nonce;
use crate::sasl::prepare::prepare_login;

/// Whether a SCRAM client knew the password.
#[derive(Debug, PartialEq, Eq)]
pub enum ScramOutcome {
    /// It did.
    Proved(ScramProof),
    /// It did not.
    Refuted,
}

/// Shows that an exchange has verified a client's proof; nothing else can make one.
///
/// ```compile_fail,E0423
/// let forged = pillarbox_proto::sasl::server::ScramProof(());
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct ScramProof(());

impl ScramProof {
    fn new() -> Self {
        Self(())
    }
}

/// Which of the two mechanisms runs, and beside what (R5802-2).
#[derive(Debug)]
pub(in crate::sasl) enum Variant {
    /// SCRAM-SHA-256-PLUS over the connection with this binding.
    Plus(ChannelBinding),
    /// SCRAM-SHA-256 on a connection where the PLUS variant is listed too.
    BesidePlus,
    /// SCRAM-SHA-256 where nothing can be bound.
    Alone,
}

/// Waits for the client's first message.
#[derive(Debug)]
pub(in crate::sasl) struct Start {
    pub(in crate::sasl) variant: Variant,
    pub(in crate::sasl) nonce: Nonce,
}

/// Waits for the keys of the login.
#[derive(Debug)]
pub(in crate::sasl) struct AwaitKeys {
    /// `client-first-message-bare`.
    bare: String,
    /// The client's nonce and ours.
    nonce: String,
    /// What `c=` has to decode to: `gs2-header` and binding data.
    binding: SecretBytes,
}

/// Waits for the client's final message.
#[derive(Debug)]
pub(in crate::sasl) struct AwaitFinal {
    nonce: String,
    binding: SecretBytes,
    keys: ScramKeys,
    /// `client-first-message-bare "," server-first-message ","`.
    signed: String,
}

/// The proof was looked at. Holds what to answer once the session has decided.
#[derive(Debug)]
pub(in crate::sasl) struct Finished {
    pub(in crate::sasl) outcome: ScramOutcome,
    /// `server-final-message`.
    pub(in crate::sasl) server_final: Vec<u8>,
}

impl Start {
    /// Goes on with the client's first message. `known` is the login as soon as it can be read, for the record
    /// of an attempt that fails.
    pub(in crate::sasl) fn client_first(
        self,
        message: &[u8],
        known: &mut Option<String>,
    ) -> Result<AwaitKeys, Failure> {
        let first = ClientFirst::parse(message).map_err(|_| Failure::Malformed)?;
        let login = prepare_login(&first.username).map_err(|_| Failure::Malformed)?;
        *known = Some(login.clone());
        let mut binding = SecretBytes::from(first.header.as_bytes());
        match (&self.variant, first.flag) {
            (Variant::Plus(data), Flag::Binds(TLS_EXPORTER)) => {
                binding.extend_from_slice(data.as_bytes());
            }
            (Variant::Plus(_), Flag::Binds(_)) => return Err(Failure::BindingTypeUnsupported),
            (Variant::Plus(_), Flag::CannotBind | Flag::ThinksServerCannot)
            | (Variant::BesidePlus | Variant::Alone, Flag::Binds(_)) => {
                return Err(Failure::BindingFlag);
            }
            (Variant::BesidePlus, Flag::ThinksServerCannot) => return Err(Failure::Downgrade),
            (Variant::BesidePlus | Variant::Alone, Flag::CannotBind)
            | (Variant::Alone, Flag::ThinksServerCannot) => {}
        }
        if let Some(authzid) = first.authzid {
            let authzid = prepare_login(&authzid).map_err(|_| Failure::Malformed)?;
            if authzid != login {
                return Err(Failure::OtherIdentity);
            }
        }
        Ok(AwaitKeys {
            bare: first.bare.to_owned(),
            nonce: format!("{}{}", first.nonce, self.nonce.as_str()),
            binding,
        })
    }
}

impl AwaitKeys {
    /// Goes on, with the `server-first-message`.
    pub(in crate::sasl) fn keys(self, keys: ScramKeys) -> (AwaitFinal, Vec<u8>) {
        let server_first = ServerFirst {
            nonce: &self.nonce,
            salt: keys.salt.clone(),
            iterations: keys.iterations,
        }
        .compose();
        let signed = format!("{},{server_first},", self.bare);
        let next = AwaitFinal {
            nonce: self.nonce,
            binding: self.binding,
            keys,
            signed,
        };
        (next, server_first.into_bytes())
    }
}

impl AwaitFinal {
    pub(in crate::sasl) fn client_final(self, message: &[u8]) -> Result<Finished, Failure> {
        let last = ClientFinal::parse(message).map_err(|_| Failure::Malformed)?;
        if last.nonce != self.nonce {
            return Err(Failure::NonceMismatch);
        }
        if !bool::from(last.binding.as_slice().ct_eq(&self.binding)) {
            return Err(Failure::BindingMismatch);
        }
        let auth_message = format!("{}{}", self.signed, last.without_proof);
        let outcome = if self.keys.proved(auth_message.as_bytes(), &last.proof) {
            ScramOutcome::Proved(ScramProof::new())
        } else {
            ScramOutcome::Refuted
        };
        let signature = self.keys.server_signature(auth_message.as_bytes());
        Ok(Finished {
            outcome,
            server_final: format!("v={}", *coding::encode(signature.as_slice())).into_bytes(),
        })
    }
}
