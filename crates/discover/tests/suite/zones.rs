//! Discovery against signed, unsigned and broken zones, served by nsd and by the in-process server.

use pillarbox_discover::rank::rank;
use pillarbox_discover::{
    Candidate, DiscoverError, Found, Resolver, ResolverSettings, Status, Trust, search,
};
use pillarbox_names::{Domain, Family, Host, Label, Service, TlsStart};
use pillarbox_policy::RefusalCode;
use pillarbox_testkit::{InProcessNameServer, NameServer, Signing, Zone};

const FULL: &str = "_imaps._tcp SRV 0 1 993 imap\n\
    _imap._tcp SRV 0 0 0 .\n\
    _pop3s._tcp SRV 10 1 995 pop\n\
    _pop3._tcp SRV 0 0 0 .\n\
    _submissions._tcp SRV 0 1 465 smtp\n\
    _submission._tcp SRV 0 0 0 .\n\
    imap A 192.0.2.1\n\
    imap AAAA 2001:db8::1\n\
    pop CNAME imap\n\
    smtp A 192.0.2.2";

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn zones() -> Vec<Zone> {
    vec![
        Zone::new("example.org", Signing::Signed, FULL),
        Zone::new("unsigned.test", Signing::Unsigned, FULL),
        Zone::new(
            "hosted.example",
            Signing::Signed,
            "_imaps._tcp SRV 0 1 993 imap.provider.example.\n_submissions._tcp SRV 0 1 465 smtp.provider.example.",
        ),
        Zone::new(
            "forged.example",
            Signing::Unsigned,
            "_imaps._tcp SRV 0 1 993 imap.evil.example.\n_submissions._tcp SRV 0 1 465 badforged.example.",
        ),
        Zone::new(
            "dots.example",
            Signing::Signed,
            "_imaps._tcp SRV 0 0 0 .\n_imap._tcp SRV 0 0 0 .\n_pop3s._tcp SRV 0 0 0 .\n_pop3._tcp SRV 0 0 0 .",
        ),
        Zone::new(
            "newlabel.example",
            Signing::Signed,
            "_imaps._tcp SRV 0 1 993 m\n_submissions._tcp SRV 0 1 465 m",
        ),
        Zone::new(
            "alias.example",
            Signing::Signed,
            "mail CNAME elsewhere.unsigned.test.\nlocal CNAME real\nreal A 192.0.2.9",
        ),
    ]
}

fn resolver(address: std::net::SocketAddr, anchor: &str) -> Resolver {
    Resolver::new(&ResolverSettings {
        name_server: Some(address),
        trust_anchor: Some(anchor.to_owned()),
    })
    .unwrap()
}

fn ranked(domain_name: &str, family: Family, found: &Found) -> Vec<Candidate> {
    let Found::Advertised(entries) = found else {
        panic!("{domain_name} advertises nothing: {found:?}")
    };
    rank(&domain(domain_name), family, entries, &mut |_| 0)
}

/// Everything that does not need broken signatures, for both servers.
async fn honest_zones(resolver: &Resolver) {
    // secure, and `.` silences a label (R6186-1)
    let (access, submission) = search(resolver, &domain("example.org")).await.unwrap();
    let access = ranked("example.org", Family::Access, &access);
    let shown: Vec<_> = access.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "IMAP at imap.example.org:993",
            "POP3 at pop.example.org:995"
        ]
    );
    assert_eq!(access[0].trust(), &Trust::InDomain);
    let submission = ranked("example.org", Family::Submission, &submission);
    assert_eq!(submission.len(), 1);
    assert_eq!(
        submission[0].label(),
        Label::new(Service::Submission, TlsStart::Implicit)
    );
    let label = Label::new(Service::Imap, TlsStart::Implicit);
    assert_eq!(
        resolver
            .srv(label, &domain("example.org"))
            .await
            .unwrap()
            .status,
        Status::Secure
    );

    // provably not signed
    assert_eq!(
        resolver
            .srv(label, &domain("unsigned.test"))
            .await
            .unwrap()
            .status,
        Status::Insecure
    );
    let (access, _) = search(resolver, &domain("unsigned.test")).await.unwrap();
    assert_eq!(
        ranked("unsigned.test", Family::Access, &access)[0].trust(),
        &Trust::InDomain
    );

    // elsewhere: signed passes, unsigned has to be asked about (S5.1-10, S5.1-11)
    let (access, _) = search(resolver, &domain("hosted.example")).await.unwrap();
    assert_eq!(
        ranked("hosted.example", Family::Access, &access)[0].trust(),
        &Trust::Signed
    );
    let (access, submission) = search(resolver, &domain("forged.example")).await.unwrap();
    for (family, found) in [(Family::Access, access), (Family::Submission, submission)] {
        let refusal = ranked("forged.example", family, &found)[0]
            .approve(&[])
            .unwrap_err();
        assert_eq!(refusal.code(), RefusalCode::DiscoveryUntrusted);
    }

    // not offered is not the same as nothing said
    let (access, submission) = search(resolver, &domain("dots.example")).await.unwrap();
    assert_eq!((access, submission), (Found::NotOffered, Found::Nothing));

    // addresses, CNAMEs, and what a chain is worth
    let addresses = resolver.addresses(&host("imap.example.org")).await.unwrap();
    assert_eq!(addresses.status, Status::Secure);
    assert_eq!(addresses.addresses.len(), 2);
    let addresses = resolver
        .addresses(&host("local.alias.example"))
        .await
        .unwrap();
    assert_eq!(
        (addresses.status, addresses.addresses.len()),
        (Status::Secure, 1)
    );
    let addresses = resolver
        .addresses(&host("imap.unsigned.test"))
        .await
        .unwrap();
    assert_eq!(
        (addresses.status, addresses.addresses.len()),
        (Status::Insecure, 2)
    );
    let addresses = resolver
        .addresses(&host("nowhere.example.org"))
        .await
        .unwrap();
    assert_eq!(addresses.addresses, Vec::<std::net::IpAddr>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_zones_from_a_real_name_server() {
    let Some(server) = NameServer::start(&zones()).unwrap() else {
        return;
    };
    honest_zones(&resolver(server.address(), server.trust_anchor())).await;
}

#[tokio::test]
async fn honest_zones_from_the_in_process_server() {
    let server = InProcessNameServer::start(&zones()).await.unwrap();
    honest_zones(&resolver(server.address(), server.trust_anchor())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bogus_is_an_error_and_never_absence() {
    let zones = [
        Zone::new("tampered.example", Signing::Tampered, FULL),
        Zone::new("expired.example", Signing::Expired, FULL),
        Zone::new("example.org", Signing::Signed, FULL),
    ];
    let Some(server) = NameServer::start(&zones).unwrap() else {
        return;
    };
    let resolver = resolver(server.address(), server.trust_anchor());
    for name in ["tampered.example", "expired.example"] {
        let error = search(&resolver, &domain(name)).await.unwrap_err();
        assert!(
            matches!(error, DiscoverError::Bogus { .. }),
            "{name}: {error:?}"
        );
        assert_eq!(error.code(), Some(RefusalCode::DiscoveryUntrusted));
        let host = host(&format!("imap.{name}"));
        let error = resolver.addresses(&host).await.unwrap_err();
        assert!(
            matches!(error, DiscoverError::Bogus { .. }),
            "{name}: {error:?}"
        );
    }
    // the same server, a sound zone
    assert!(search(&resolver, &domain("example.org")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_trust_anchor_makes_everything_bogus() {
    let zones = [Zone::new("example.org", Signing::Signed, FULL)];
    let (Some(server), Some(other)) = (
        NameServer::start(&zones).unwrap(),
        NameServer::start(&zones).unwrap(),
    ) else {
        return;
    };
    let resolver = resolver(server.address(), other.trust_anchor());
    let error = search(&resolver, &domain("example.org")).await.unwrap_err();
    assert!(matches!(error, DiscoverError::Bogus { .. }), "{error:?}");
}

#[tokio::test]
async fn a_silent_name_server_is_not_an_empty_domain() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let settings = ResolverSettings {
        name_server: Some(socket.local_addr().unwrap()),
        trust_anchor: None,
    };
    let resolver = Resolver::new(&settings).unwrap();
    let error = search(&resolver, &domain("example.org")).await.unwrap_err();
    assert!(
        matches!(error, DiscoverError::Unanswered { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn all_six_labels_are_asked_for() {
    // S5.1-1, S5-1: the DNS log of a set-up
    let server = InProcessNameServer::start(&zones()).await.unwrap();
    let resolver = resolver(server.address(), server.trust_anchor());
    search(&resolver, &domain("newlabel.example"))
        .await
        .unwrap();
    let log = server.queries();
    for label in [
        "_imaps",
        "_imap",
        "_pop3s",
        "_pop3",
        "_submissions",
        "_submission",
    ] {
        let query = format!("SRV {label}._tcp.newlabel.example.");
        assert!(log.contains(&query), "{query} not in {log:?}");
    }
}
