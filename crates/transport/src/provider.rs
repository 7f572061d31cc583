//! The cryptography Pillarbox negotiates, stated in full: nothing is taken from a library's defaults and no
//! process-wide provider is installed.

use std::sync::{Arc, LazyLock};

use rustls::SupportedProtocolVersion;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, version};

/// The most ciphertext that waits inside TLS for a slow peer, in octets.
pub(crate) const TLS_BUFFER: usize = 68 * 1024;

/// TLS 1.3 before 1.2; older versions do not exist here (R9325-1..3).
pub(crate) static VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// AEAD with forward secrecy only: the three suites of TLS 1.3, and ECDHE with AES-GCM or ChaCha20 for 1.2
/// (R9325-12, R9325-13, R10015-1). AES-128 first: a handshake with it costs a quarter less than with AES-256, and both
/// are as far out of reach.
pub(crate) static SUITES: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Hybrid first, so that mail recorded today stays closed to a quantum computer of tomorrow.
pub(crate) static GROUPS: [&dyn SupportedKxGroup; 4] = [
    kx_group::X25519MLKEM768,
    kx_group::X25519,
    kx_group::SECP256R1,
    kx_group::SECP384R1,
];

/// The one provider of the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            cipher_suites: SUITES.to_vec(),
            kx_groups: GROUPS.to_vec(),
            ..default_provider()
        })
    });
    Arc::clone(&PROVIDER)
}
