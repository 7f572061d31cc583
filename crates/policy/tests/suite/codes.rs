//! The stable machine codes: what scripts and log filters live by.

use pillarbox_policy::{Code, HandshakeFailure, Level, Refusal, TlsVersion};

#[test]
fn codes_are_never_renamed() {
    for (code, name) in [
        (Code::StarttlsStripped, "STARTTLS_STRIPPED"),
        (Code::ResponseInjection, "RESPONSE_INJECTION"),
        (Code::CommandInjection, "COMMAND_INJECTION"),
        (Code::PreauthCleartext, "PREAUTH_CLEARTEXT"),
        (Code::CertName, "CERT_NAME"),
        (Code::CertChain, "CERT_CHAIN"),
        (Code::CertExpired, "CERT_EXPIRED"),
        (Code::LevelTlsVersion, "LEVEL_TLS_VERSION"),
        (Code::LevelPeer, "LEVEL_PEER"),
        (Code::DiscoveryUntrusted, "DISCOVERY_UNTRUSTED"),
        (Code::PinOnly, "PIN_ONLY"),
        (Code::Truncated, "TRUNCATED"),
        (Code::PrivacyRequired, "PRIVACY_REQUIRED"),
        (Code::LadderRung, "LADDER_RUNG"),
        (Code::ProtocolViolation, "PROTOCOL_VIOLATION"),
    ] {
        assert_eq!(code.as_str(), name);
        assert_eq!(code.to_string(), name);
    }
}

#[test]
fn a_failed_handshake_has_its_code() {
    for (failure, code) in [
        (HandshakeFailure::CertificateName, Some(Code::CertName)),
        (HandshakeFailure::UnknownName, Some(Code::CertName)),
        (HandshakeFailure::CertificateChain, Some(Code::CertChain)),
        (
            HandshakeFailure::CertificateUnsuitable("broken".to_owned()),
            Some(Code::CertChain),
        ),
        (
            HandshakeFailure::CertificateExpired,
            Some(Code::CertExpired),
        ),
        (
            HandshakeFailure::CertificateNotYetValid,
            Some(Code::CertExpired),
        ),
        (
            HandshakeFailure::TooOld(0x0301),
            Some(Code::LevelTlsVersion),
        ),
        (HandshakeFailure::NotTls, Some(Code::ProtocolViolation)),
        (HandshakeFailure::Alpn, Some(Code::ProtocolViolation)),
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
            Code::LevelTlsVersion,
        ),
        (Refusal::Unauthenticated { level }, Code::LevelPeer),
        (Refusal::PinOnly { level }, Code::PinOnly),
    ] {
        assert_eq!(refusal.code(), code);
    }
}
