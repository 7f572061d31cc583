//! The stable machine codes: what scripts and log filters live by.

use pillarbox_policy::{HandshakeFailure, Level, Refusal, RefusalCode, TlsVersion};

#[test]
fn codes_are_never_renamed() {
    for (code, name) in [
        (RefusalCode::StarttlsStripped, "STARTTLS_STRIPPED"),
        (RefusalCode::ResponseInjection, "RESPONSE_INJECTION"),
        (RefusalCode::CommandInjection, "COMMAND_INJECTION"),
        (RefusalCode::PreauthCleartext, "PREAUTH_CLEARTEXT"),
        (RefusalCode::CertName, "CERT_NAME"),
        (RefusalCode::CertChain, "CERT_CHAIN"),
        (RefusalCode::CertExpired, "CERT_EXPIRED"),
        (RefusalCode::LevelTlsVersion, "LEVEL_TLS_VERSION"),
        (RefusalCode::LevelPeer, "LEVEL_PEER"),
        (RefusalCode::DiscoveryUntrusted, "DISCOVERY_UNTRUSTED"),
        (RefusalCode::PinOnly, "PIN_ONLY"),
        (RefusalCode::Truncated, "TRUNCATED"),
        (RefusalCode::PrivacyRequired, "PRIVACY_REQUIRED"),
        (RefusalCode::LadderRung, "LADDER_RUNG"),
        (RefusalCode::ProtocolViolation, "PROTOCOL_VIOLATION"),
    ] {
        assert_eq!(code.as_str(), name);
        assert_eq!(code.to_string(), name);
    }
}

#[test]
fn a_failed_handshake_has_its_code() {
    for (failure, code) in [
        (
            HandshakeFailure::CertificateName,
            Some(RefusalCode::CertName),
        ),
        (HandshakeFailure::UnknownName, Some(RefusalCode::CertName)),
        (
            HandshakeFailure::CertificateChain,
            Some(RefusalCode::CertChain),
        ),
        (
            HandshakeFailure::CertificateUnsuitable("broken".to_owned()),
            Some(RefusalCode::CertChain),
        ),
        (
            HandshakeFailure::CertificateExpired,
            Some(RefusalCode::CertExpired),
        ),
        (
            HandshakeFailure::CertificateNotYetValid,
            Some(RefusalCode::CertExpired),
        ),
        (
            HandshakeFailure::TooOld(0x0301),
            Some(RefusalCode::LevelTlsVersion),
        ),
        (
            HandshakeFailure::NotTls,
            Some(RefusalCode::ProtocolViolation),
        ),
        (HandshakeFailure::Alpn, Some(RefusalCode::ProtocolViolation)),
        (HandshakeFailure::TimedOut, None),
        (HandshakeFailure::Closed, None),
        (HandshakeFailure::Other("alert".to_owned()), None),
    ] {
        assert_eq!(failure.code(), code, "{failure}");
    }
}

#[test]
fn a_session_below_the_level_has_its_code() {
    let level = Level::Default;
    for (refusal, code) in [
        (
            Refusal::Version {
                needed: TlsVersion::Tls13,
                offered: TlsVersion::Tls12,
            },
            RefusalCode::LevelTlsVersion,
        ),
        (Refusal::Unauthenticated { level }, RefusalCode::LevelPeer),
        (Refusal::PinOnly { level }, RefusalCode::PinOnly),
    ] {
        assert_eq!(refusal.code(), code);
    }
}
