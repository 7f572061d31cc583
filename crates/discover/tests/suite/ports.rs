//! Where the client goes when nobody names a port (S3.1-1, S3.2-1, S3.3-1, S7.3-1, SA-12).

use pillarbox_discover::{Candidate, conventional};
use pillarbox_names::{Domain, Family, Host, Label, Service, TlsStart};

const REGISTERED: [(Service, TlsStart, &str, u16); 6] = [
    (Service::Imap, TlsStart::Implicit, "_imaps", 993),
    (Service::Imap, TlsStart::StartTls, "_imap", 143),
    (Service::Pop3, TlsStart::Implicit, "_pop3s", 995),
    (Service::Pop3, TlsStart::StartTls, "_pop3", 110),
    (Service::Submission, TlsStart::Implicit, "_submissions", 465),
    (Service::Submission, TlsStart::StartTls, "_submission", 587),
];

#[test]
fn a_typed_server_without_a_port_is_at_the_registered_one() {
    let domain = Domain::parse("example.org").unwrap();
    for (service, start, name, port) in REGISTERED {
        let label = Label::new(service, start);
        assert_eq!((label.srv(), label.default_port()), (name, port));
        let host = Host::parse("mx.test").unwrap();
        let typed = Candidate::typed(&domain, label, host.clone(), None);
        assert_eq!(typed.port(), port, "{label}");
        let moved = Candidate::typed(&domain, label, host, Some(4650));
        assert_eq!(moved.port(), 4650, "{label}");
    }
}

/// SA-12: no guess goes to any other port.
#[test]
fn guesses_are_at_the_registered_ports_of_implicit_tls() {
    let domain = Domain::parse("example.org").unwrap();
    let shown = |family| {
        conventional(&domain, family)
            .iter()
            .map(|guess| format!("{}:{}", guess.host(), guess.port()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shown(Family::Access),
        [
            "imap.example.org:993",
            "mail.example.org:993",
            "pop.example.org:995",
            "mail.example.org:995"
        ]
    );
    assert_eq!(
        shown(Family::Submission),
        ["smtp.example.org:465", "mail.example.org:465"]
    );
}
