//! What suites and groups are called (S4.3-3, S4.3-9): in the IANA registries, by rustls, and by OpenSSL.

use pillarbox_names::{CipherSuite, Group, TlsVersion};

/// The suites negotiated here: number, name in the IANA TLS Cipher Suites registry, and OpenSSL's name where it is
/// another.
#[rustfmt::skip]
const SUITE_NAMES: [(u16, &str, &str); 9] = [
    (0x1301, "TLS_AES_128_GCM_SHA256", ""),
    (0x1302, "TLS_AES_256_GCM_SHA384", ""),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256", ""),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
];

/// The name in the IANA TLS Cipher Suites registry.
pub(crate) fn suite_name(id: u16) -> CipherSuite {
    SUITE_NAMES
        .iter()
        .find(|(known, ..)| *known == id)
        .map_or(CipherSuite::Unknown(id), |(_, name, _)| {
            CipherSuite::Named(name)
        })
}

/// The suite that somebody else calls this; `None` for one that is not negotiated here in this version of TLS.
pub(crate) fn named_suite(called: &str, version: TlsVersion) -> Option<CipherSuite> {
    SUITE_NAMES
        .iter()
        .find(|(_, iana, openssl)| called == *iana || (called == *openssl && !called.is_empty()))
        // RFC 8446 section B.4: the suites of TLS 1.3 have numbers of their own.
        .filter(|(id, ..)| (id >> 8 == 0x13) == (version == TlsVersion::Tls13))
        .map(|(_, name, _)| CipherSuite::Named(name))
}

/// The group that somebody else calls this, in the registry's spelling or OpenSSL's.
pub(crate) fn named_group(called: &str) -> Option<Group> {
    let called = match called {
        "prime256v1" => "secp256r1",
        other => other,
    };
    [0x0017, 0x0018, 0x001d, 0x11ec]
        .into_iter()
        .filter_map(group_name)
        .find(|group| group.0.eq_ignore_ascii_case(called))
}

/// The name in the IANA TLS Supported Groups registry. A group without a name here is left out, never
/// guessed (S4.3-9).
pub(crate) fn group_name(id: u16) -> Option<Group> {
    Some(Group(match id {
        0x0017 => "secp256r1",
        0x0018 => "secp384r1",
        0x001d => "x25519",
        0x11ec => "X25519MLKEM768",
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{GROUPS, SUITES};

    /// S4.3-5: no release falls back to the hexadecimal form.
    #[test]
    fn every_enabled_suite_has_its_iana_name() {
        for suite in SUITES {
            let CipherSuite::Named(name) = suite_name(suite.suite().into()) else {
                panic!("{suite:?} has no name");
            };
            let rustls = format!("{:?}", suite.suite());
            assert_eq!(name, rustls.replace("TLS13_", "TLS_"));
            assert!(name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_'));
        }
    }

    #[test]
    fn every_enabled_group_has_its_iana_name() {
        let names: Vec<_> = GROUPS
            .iter()
            .map(|group| group_name(group.name().into()).unwrap().0)
            .collect();
        assert_eq!(
            names,
            ["X25519MLKEM768", "x25519", "secp256r1", "secp384r1"]
        );
    }

    #[test]
    fn an_unknown_suite_keeps_its_number_and_an_unknown_group_is_left_out() {
        assert_eq!(suite_name(0xfefe).to_string(), "0xFEFE");
        assert_eq!(group_name(0x001c), None);
    }
}
