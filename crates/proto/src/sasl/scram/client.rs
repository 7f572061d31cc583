//! The client's end of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.

use pillarbox_policy::{ChannelBinding, Secret, SecretBytes};

use super::{
    keys::{MAX_ITERATIONS, MIN_ITERATIONS, PasswordKeys},
    message::{ServerFinal, ServerFirst, TLS_EXPORTER, escape},
};
use crate::sasl::coding;
use crate::sasl::failure::ClientFailure as Failure;
use crate::sasl::nonce::Nonce;

/// What a client says about channel binding (R5802-2).
#[derive(Debug)]
pub(in crate::sasl) enum Binding<'a> {
    /// `p=tls-exporter`: it binds.
    Bound(&'a ChannelBinding),
    /// `y`: it could, and the server did not list the PLUS mechanism.
    ServerCannot,
    /// `n`: its connection has no binding.
    CannotBind,
}

/// Waits for the `server-first-message`.
#[derive(Debug)]
pub(in crate::sasl) struct AwaitServerFirst {
    password: Secret,
    nonce: Nonce,
    /// `gs2-header` and binding data.
    binding: Vec<u8>,
    /// `client-first-message-bare`.
    bare: String,
}

/// Waits for the `server-final-message`.
pub(in crate::sasl) struct AwaitServerFinal {
    keys: PasswordKeys,
    auth_message: String,
}

impl std::fmt::Debug for AwaitServerFinal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwaitServerFinal(..)")
    }
}

/// Begins, with the `client-first-message`. Login and password are prepared already.
pub(in crate::sasl) fn start(
    login: &str,
    password: Secret,
    binding: &Binding<'_>,
    nonce: Nonce,
) -> (AwaitServerFirst, SecretBytes) {
    let header = match binding {
        Binding::Bound(_) => format!("p={TLS_EXPORTER},,"),
        Binding::ServerCannot => "y,,".to_owned(),
        Binding::CannotBind => "n,,".to_owned(),
    };
    let bare = format!("n={},r={}", escape(login), nonce.as_str());
    let first = format!("{header}{bare}").into_bytes();
    let mut data = header.into_bytes();
    if let Binding::Bound(binding) = binding {
        data.extend_from_slice(binding.as_bytes());
    }
    let next = AwaitServerFirst {
        password,
        nonce,
        binding: data,
        bare,
    };
    (next, first.into())
}

impl AwaitServerFirst {
    /// Goes on, with the `client-final-message`.
    pub(in crate::sasl) fn server_first(
        self,
        message: &[u8],
    ) -> Result<(AwaitServerFinal, SecretBytes), Failure> {
        let first = ServerFirst::parse(message).map_err(|_| Failure::Malformed)?;
        // The server has to add something of its own, or an old exchange could be played again.
        match first.nonce.strip_prefix(self.nonce.as_str()) {
            None | Some("") => return Err(Failure::NonceMismatch),
            Some(_) => {}
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&first.iterations) {
            return Err(Failure::Iterations {
                asked: first.iterations,
            });
        }
        let keys = PasswordKeys::derive(&self.password, &first.salt, first.iterations);
        let server_first = std::str::from_utf8(message).map_err(|_| Failure::Malformed)?;
        let without_proof = format!("c={},r={}", *coding::encode(&self.binding), first.nonce);
        let auth_message = format!("{},{server_first},{without_proof}", self.bare);
        let proof = keys.proof(auth_message.as_bytes());
        let last = format!("{without_proof},p={}", *coding::encode(proof.as_slice()));
        let next = AwaitServerFinal { keys, auth_message };
        Ok((next, last.into_bytes().into()))
    }
}

impl AwaitServerFinal {
    pub(in crate::sasl) fn server_final(self, message: &[u8]) -> Result<(), Failure> {
        match ServerFinal::parse(message) {
            Ok(ServerFinal::Signature(signature))
                if self
                    .keys
                    .server_proved(self.auth_message.as_bytes(), &signature) =>
            {
                Ok(())
            }
            Ok(ServerFinal::Signature(_)) => Err(Failure::ServerNotProved),
            Ok(ServerFinal::Error) => Err(Failure::Refused),
            Err(_) => Err(Failure::Malformed),
        }
    }
}
