//! Set-up against servers that do what an attacker would: nothing secret reaches them, nothing is connected to
//! before consent, and nothing falls back to less.

use std::sync::Arc;

use pillarbox_client::{ConnectError, SetupError};
use pillarbox_discover::DiscoverError;
use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::RefusalCode;
use pillarbox_testkit::world::{Computer, ScriptedPerson, told_nothing};
use pillarbox_testkit::{Act, EvilServer, Leaf, Signing, Site, TestCa, Zone};

const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];

/// Words in the clear up to a refused or faked STARTTLS: the protocol, what it is about, what the server says, each
/// but the first once it has heard a line, and the code the client must come to.
const STRIPPED: [(Service, &str, &[&str], RefusalCode); 12] = {
    use RefusalCode::{PreauthCleartext, ProtocolViolation, ResponseInjection, StarttlsStripped};
    use Service::{Imap, Pop3, Submission};
    const LISTED: &str = "250-mail\r\n250 STARTTLS";
    const INJECTED: &str = "{tag} OK begin\r\n* CAPABILITY IMAP4rev1";
    [
        (Imap, "NO", &["* OK hi", "{tag} NO no"], StarttlsStripped),
        (
            Imap,
            "BAD",
            &["* OK hi", "{tag} BAD what"],
            StarttlsStripped,
        ),
        (Imap, "+", &["* OK hi", "+ go on"], StarttlsStripped),
        (
            Imap,
            "PREAUTH",
            &["* PREAUTH welcome alice"],
            PreauthCleartext,
        ),
        (Imap, "injection", &["* OK hi", INJECTED], ResponseInjection),
        (Pop3, "-ERR", &["+OK hi", "-ERR no"], StarttlsStripped),
        (
            Pop3,
            "injection",
            &["+OK hi", "+OK begin\r\n+OK more"],
            ResponseInjection,
        ),
        (
            Submission,
            "not offered",
            &["220 hi", "250-mail\r\n250 AUTH PLAIN"],
            StarttlsStripped,
        ),
        (
            Submission,
            "454",
            &["220 hi", LISTED, "454 not now"],
            StarttlsStripped,
        ),
        (
            Submission,
            "502",
            &["220 hi", LISTED, "502 what"],
            StarttlsStripped,
        ),
        (
            Submission,
            "EHLO refused",
            &["220 hi", "502 what"],
            ProtocolViolation,
        ),
        (
            Submission,
            "injection",
            &["220 hi", LISTED, "220 go\r\n250 more"],
            ResponseInjection,
        ),
    ]
};

/// A server that refuses STARTTLS in the first of these ways.
async fn stripped(service: Service) -> EvilServer {
    let (.., texts, _) = STRIPPED.iter().find(|(of, ..)| *of == service).unwrap();
    EvilServer::start(Act::answers(texts.iter().copied())).await
}

/// The words of a server that goes on to TLS.
fn up_to_tls(service: Service, start: TlsStart) -> Vec<Act> {
    match (service, start) {
        (_, TlsStart::Implicit) => vec![],
        (Service::Imap, _) => Act::answers(["* OK hi", "{tag} OK begin"]),
        (Service::Pop3, _) => Act::answers(["+OK hi", "+OK begin"]),
        (Service::Submission, _) => Act::answers(["220 hi", "250-m\r\n250 STARTTLS", "220 go"]),
    }
}

/// Sets up an address at a site that publishes this; answers why it failed.
async fn set_up(site: &mut Site, records: &str, person: &mut ScriptedPerson) -> SetupError {
    site.publish(Signing::Signed, records).await;
    Computer::new(site, "config").fail_to_set_up(person).await
}

/// The same to where the password is asked for; answers the servers that were shown there.
async fn up_to_the_password(site: &mut Site, records: &str) -> Vec<String> {
    let mut person = ScriptedPerson::who_stops();
    let error = set_up(site, records, &mut person).await;
    assert!(matches!(error, SetupError::Stopped), "{error}");
    let shown = person.shown_at_password.unwrap();
    shown.into_iter().map(|(server, _)| server).collect()
}

/// Sets up with one evil server for `service`, and an honest one for the other family.
async fn against(
    service: Service,
    start: TlsStart,
    site: &mut Site,
    script: Vec<Act>,
    (what, code): (&str, RefusalCode),
) -> SetupError {
    let (evil, honest) = (EvilServer::start(script).await, site.honest().await);
    let other = match service {
        Service::Submission => "_imaps",
        _ => "_submissions",
    };
    let records = evil.srv(Label::new(service, start).srv()) + &honest.srv(other);
    let mut person = ScriptedPerson::who_trusts(&[]);
    let error = set_up(site, &records, &mut person).await;
    assert!(
        matches!(error, SetupError::NoServer { .. }),
        "{what}: {error}"
    );
    assert_eq!(error.code(), Some(code), "{what}: {error}");
    assert!(
        person.shown_at_password.is_none(),
        "{what}: the password was asked for"
    );
    assert_eq!(evil.received().connections, 1, "{what}: no second try");
    told_nothing(&evil, what);
    told_nothing(&honest, what);
    error
}

/// S5.1-8, S5.2-8, S3-2, C1, C4, C5, C6.
#[tokio::test]
async fn stripped_starttls_stops_set_up_without_a_secret_byte() {
    let mut site = Site::new();
    for (service, what, texts, code) in STRIPPED {
        let what = format!("{service} {what}");
        let script = Act::answers(texts.iter().copied());
        let error = against(
            service,
            TlsStart::StartTls,
            &mut site,
            script,
            (&what, code),
        )
        .await;
        // C10: no word of the server from before TLS
        let shown = error.to_string();
        assert!(
            !shown.contains("begin") && !shown.contains("welcome"),
            "{error}"
        );
    }
}

/// S5-4, S5-5, S5.2-3, C15: four faults, three services, two modes.
#[tokio::test]
async fn a_certificate_that_cannot_be_validated_stops_set_up() {
    let mut site = Site::new();
    let names = ["mail.example.org"];
    let certificates = [
        (
            "self-signed",
            Leaf::new(&names).self_signed(),
            RefusalCode::CertChain,
        ),
        (
            "unknown authority",
            TestCa::new().server(&names),
            RefusalCode::CertChain,
        ),
        (
            "wrong name",
            site.ca().server(&["mail.example.net"]),
            RefusalCode::CertName,
        ),
        (
            "expired",
            site.ca().issue(&Leaf::new(&names).expired()),
            RefusalCode::CertExpired,
        ),
    ];
    for (fault, certificate, code) in certificates {
        let certificate = Arc::new(certificate);
        for service in SERVICES {
            for start in [TlsStart::Implicit, TlsStart::StartTls] {
                let what = format!("{service} {start:?} {fault}");
                let mut script = up_to_tls(service, start);
                script.push(Act::StartTls(Arc::clone(&certificate)));
                against(service, start, &mut site, script, (&what, code)).await;
            }
        }
    }
}

/// S5.1-11: no connection before the answer, and an answer covers its own host alone (S5.1-9).
#[tokio::test]
async fn an_unsigned_target_elsewhere_is_asked_about_before_any_connection() {
    let mut site = Site::new();
    let (access, submission) = (site.honest().await, site.honest().await);
    let records = access.srv_of("_imaps", 0, "mail.elsewhere.test.")
        + &submission.srv_of("_submissions", 0, "other.elsewhere.test.");
    site.publish(Signing::Unsigned, &records).await;
    let computer = Computer::new(&site, "config");
    let connections = || [&access, &submission].map(|server| server.received().connections);

    let mut person = ScriptedPerson::who_trusts(&[]);
    let error = computer.fail_to_set_up(&mut person).await;
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    assert_eq!(error.code(), Some(RefusalCode::DiscoveryUntrusted));
    assert_eq!(person.asked_hosts, ["mail.elsewhere.test"]);
    assert_eq!(connections(), [0, 0]);

    let mut person = ScriptedPerson::who_trusts(&["mail.elsewhere.test"]);
    let error = computer.fail_to_set_up(&mut person).await;
    assert!(
        matches!(&error, SetupError::NotConfirmed(why) if why.host.as_str() == "other.elsewhere.test")
    );
    assert_eq!(connections(), [1, 0]);

    let both = ["mail.elsewhere.test", "other.elsewhere.test"];
    let mut person = ScriptedPerson {
        password: None,
        ..ScriptedPerson::who_trusts(&both)
    };
    let error = computer.fail_to_set_up(&mut person).await;
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(submission.received().connections, 1);
    told_nothing(&access, "access");
    // S5-8: the sign stands where the password is asked for, one for each server
    let shown = person.shown_at_password.unwrap();
    assert!(shown.iter().all(|(_, sign)| sign.is_locked()));
    assert_eq!(shown.len(), 2);
}

/// S5.1-10 (b): shown, not asked.
#[tokio::test]
async fn a_signed_target_elsewhere_passes_with_a_notice() {
    let mut site = Site::new();
    let honest = site.honest().await;
    let records = honest.srv_of("_imaps", 0, "mail.elsewhere.test.") + &honest.srv("_submissions");
    let mut person = ScriptedPerson::who_stops();
    let error = set_up(&mut site, &records, &mut person).await;
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(person.signed_elsewhere, ["mail.elsewhere.test"]);
    assert_eq!(person.asked_hosts, Vec::<String>::new());
}

/// S5.1-3, S5.1-4: what is below the level is ignored, whatever its priority.
#[tokio::test]
async fn a_stripped_server_of_better_priority_is_passed_over_for_implicit_tls() {
    let mut site = Site::new();
    let honest = site.honest().await;
    let (imap, pop3) = (stripped(Service::Imap).await, stripped(Service::Pop3).await);
    let records = imap.srv("_imap")
        + &pop3.srv("_pop3")
        + &honest.srv_of("_imaps", 50, "mail")
        + &honest.srv("_submissions");
    let shown = up_to_the_password(&mut site, &records).await;
    assert_eq!(
        shown[0],
        format!("IMAP at mail.example.org:{}", honest.port())
    );
    told_nothing(&imap, "IMAP");
    told_nothing(&pop3, "POP3");
}

/// The port of nobody.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// C23: whoever blocks implicit TLS does not get STARTTLS.
#[tokio::test]
async fn blocked_implicit_tls_does_not_lead_to_starttls() {
    let mut site = Site::new();
    let honest = site.honest().await;
    let mut script = up_to_tls(Service::Imap, TlsStart::StartTls);
    script.push(Act::StartTls(site.good()));
    let starttls = EvilServer::start(script).await;
    let records = format!("_imaps._tcp SRV 0 1 {} mail\n", closed_port())
        + &starttls.srv_of("_imap", 10, "mail")
        + &honest.srv("_submissions");
    let error = set_up(&mut site, &records, &mut ScriptedPerson::who_trusts(&[])).await;
    let SetupError::NoServer { tried, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(tried.as_slice(), [(_, ConnectError::Dial(_))]),
        "{tried:?}"
    );
    assert_eq!(starttls.received().connections, 0);
}

/// S5.1-5: no mixed account, and S5.4-1: nothing is saved when one server was not verified.
#[tokio::test]
async fn access_without_submission_is_no_account() {
    let mut site = Site::new();
    let honest = site.honest().await;
    let none = "_submissions._tcp SRV 0 0 0 .\n_submission._tcp SRV 0 0 0 .";
    let mut person = ScriptedPerson::who_trusts(&[]);
    let error = set_up(&mut site, &(honest.srv("_imaps") + none), &mut person).await;
    assert!(matches!(error, SetupError::NotOffered { .. }), "{error}");
    assert!(person.shown_at_password.is_none());
}

/// S5-1: silence leads to guesses that have to be confirmed, or to the end; never to cleartext.
#[tokio::test]
async fn a_domain_without_records_leads_to_questions() {
    let mut site = Site::new();
    let mut person = ScriptedPerson::who_trusts(&[]);
    let error = set_up(&mut site, "imap A 127.0.0.1", &mut person).await;
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    // only names that exist are asked about, and nobody is asked twice
    assert_eq!(person.asked_hosts, ["imap.example.org", "mail.example.org"]);
    site.publish_zones(&[Zone::new("example.org", Signing::Signed, "")])
        .await;
    let computer = Computer::new(&site, "config");
    let error = computer
        .fail_to_set_up(&mut ScriptedPerson::who_stops())
        .await;
    assert!(matches!(error, SetupError::Nothing { .. }), "{error}");
}

/// A typed server is not looked up by SRV, and is verified like any other.
#[tokio::test]
async fn typed_servers_need_no_srv() {
    let site = Site::with_records(Signing::Signed, "").await;
    let (computer, honest) = (Computer::new(&site, "config"), site.honest().await);
    let mut entered = computer.entered();
    entered.access = Computer::typed(Service::Imap, TlsStart::Implicit, &honest);
    entered.submission = Computer::typed(Service::Submission, TlsStart::Implicit, &honest);
    let mut person = ScriptedPerson::who_stops();
    let error = computer.set_up(&entered, &mut person).await.unwrap_err();
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(site.was_asked_for_srv(), Some(false));
}

/// R6186-2: a server that is down is passed over for the next; and what is left is ranked anew (S5.1-4).
#[tokio::test]
async fn the_next_server_is_used_and_the_rest_ranked_anew() {
    let mut site = Site::new();
    let honest = site.honest().await;
    let sending = format!("_submissions._tcp SRV 0 1 {} mail\n", closed_port())
        + &honest.srv_of("_submissions", 1, "mail");
    let shown = up_to_the_password(&mut site, &(honest.srv("_imaps") + &sending)).await;
    assert_eq!(
        shown[1],
        format!("submission at mail.example.org:{}", honest.port())
    );

    // IMAP leads by a stripped entry alone; without it POP3 has the better priority
    let imap = stripped(Service::Imap).await;
    let records = imap.srv("_imap")
        + &honest.srv_of("_imaps", 50, "mail")
        + &honest.srv_of("_pop3s", 10, "mail")
        + &sending;
    let shown = up_to_the_password(&mut site, &records).await;
    assert_eq!(
        shown[0],
        format!("POP3 at mail.example.org:{}", honest.port())
    );
}

/// S5.1-10 (d): a bogus zone ends set-up; nothing is guessed, asked or connected to.
#[tokio::test(flavor = "multi_thread")]
async fn bogus_dns_ends_set_up() {
    let mut site = Site::new();
    let honest = site.honest().await;
    let records = honest.srv("_imaps") + &honest.srv("_submissions") + "mail A 127.0.0.1";
    if !site.publish_by_nsd(&[Zone::new("example.org", Signing::Tampered, &records)]) {
        return;
    }
    let mut person = ScriptedPerson::who_trusts(&[]);
    let computer = Computer::new(&site, "config");
    let error = computer.fail_to_set_up(&mut person).await;
    assert!(
        matches!(error, SetupError::Discover(DiscoverError::Bogus { .. })),
        "{error}"
    );
    assert_eq!(error.code(), Some(RefusalCode::DiscoveryUntrusted));
    assert_eq!(person.asked_hosts, Vec::<String>::new());
    assert_eq!(honest.received().connections, 0);
}
