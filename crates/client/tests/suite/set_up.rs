//! Set-up against servers that do what an attacker would: nothing secret reaches them, nothing is connected to
//! before consent, and nothing falls back to less.

use std::sync::Arc;

use pillarbox_client::{
    Accounts, ConnectError, Entered, Folder, Indicator, NetworkSettings, PasswordPlace, Passwords,
    Person, SetupError, Stage, set_up,
};
use pillarbox_discover::{Candidate, Confirmation, DiscoverError, NotConfirmed};
use pillarbox_names::{AccountAddress, Domain, Host, Label, Service, TlsStart};
use pillarbox_policy::{AccountLevel, Code, Secret};
use pillarbox_testkit::{
    Act, EvilServer, InProcessNameServer, Leaf, NameServer, Signing, TestCa, TestCertificate, Zone,
};

const PASSWORD: &str = "correct-horse-battery";

/// Answers as it was told, and remembers what it was asked.
#[derive(Default)]
struct Script {
    yes_hosts: Vec<&'static str>,
    password: Option<&'static str>,
    asked_hosts: Vec<String>,
    shown_at_password: Vec<(String, Indicator)>,
    signed_elsewhere: Vec<String>,
}

impl Person for Script {
    fn tell(&mut self, stage: &Stage<'_>) {
        if let Stage::SignedElsewhere(server) = stage {
            self.signed_elsewhere.push(server.host().to_string());
        }
    }

    fn confirm(&mut self, question: &NotConfirmed) -> Option<Confirmation> {
        self.asked_hosts.push(question.host.to_string());
        self.yes_hosts
            .contains(&question.host.as_str())
            .then(|| Confirmation::given_for(question.host.clone()))
    }

    fn password(
        &mut self,
        _: &AccountAddress,
        servers: &[(Candidate, Indicator)],
    ) -> Option<Secret> {
        self.shown_at_password = servers
            .iter()
            .map(|(server, sign)| (server.to_string(), sign.clone()))
            .collect();
        self.password.map(Secret::from)
    }
}

/// A folder, a CA that this computer trusts, and a DNS with one domain.
struct World {
    folder: tempfile::TempDir,
    ca: TestCa,
    dns: Option<InProcessNameServer>,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            ca: TestCa::new(),
            dns: None,
        }
    }

    async fn serve(&mut self, zones: &[Zone]) {
        self.dns = Some(InProcessNameServer::start(zones).await.unwrap());
    }

    fn entered(&self) -> Entered {
        let dns = self.dns.as_ref().unwrap();
        Entered {
            address: AccountAddress::parse("alice@example.org").unwrap(),
            name: None,
            login: None,
            level: AccountLevel::default(),
            access: None,
            submission: None,
            password_place: Some(PasswordPlace::File),
            network: NetworkSettings {
                name_server: Some(dns.address()),
                trust_anchor: Some(dns.trust_anchor().to_owned()),
                ca_file: Some(self.ca.write_root(self.folder.path())),
            },
        }
    }

    async fn set_up(&self, entered: &Entered, person: &mut Script) -> Result<(), SetupError> {
        let folder = Folder::new(Some(self.folder.path().join("config"))).unwrap();
        let accounts = Accounts::new(folder.clone());
        let result = set_up(entered, &accounts, &Passwords::new(folder), person).await;
        if result.is_err() {
            assert!(
                accounts.all().unwrap().is_empty(),
                "nothing is written on failure"
            );
            assert!(!self.folder.path().join("config/passwords").exists());
        }
        result.map(|_| ())
    }

    fn good(&self) -> Arc<TestCertificate> {
        Arc::new(self.ca.server(&[
            "mail.example.org",
            "mail.elsewhere.test",
            "other.elsewhere.test",
        ]))
    }

    /// A server that is who it says, and silent.
    async fn honest(&self) -> EvilServer {
        EvilServer::start(vec![Act::StartTls(self.good())])
            .await
            .unwrap()
    }
}

fn example_org(signing: Signing, records: &str) -> Vec<Zone> {
    vec![
        Zone::new(
            "example.org",
            signing,
            &format!("mail A 127.0.0.1\n{records}"),
        ),
        Zone::new(
            "elsewhere.test",
            Signing::Unsigned,
            "mail A 127.0.0.1\nother A 127.0.0.1",
        ),
    ]
}

fn label_of(service: Service, start: TlsStart) -> &'static str {
    Label::new(service, start).srv()
}

/// Nothing of the person's, and no command that carries any, whatever the protocol.
fn nothing_secret(server: &EvilServer, what: &str) {
    let received = server.received();
    for secret in [
        PASSWORD,
        "alice",
        "LOGIN",
        "AUTH",
        "USER",
        "PASS",
        "MAIL FROM",
        "SELECT",
        "ID (",
    ] {
        assert!(
            !received.contains(secret.as_bytes()),
            "{what}: {secret} in {:?}",
            received.text()
        );
    }
}

/// The words of a server up to a refused or faked STARTTLS, and the code the client must come to.
fn stripped(service: Service) -> Vec<(&'static str, Vec<Act>, Code)> {
    let say = Act::say;
    match service {
        Service::Imap => vec![
            (
                "NO",
                vec![say("* OK hi\r\n"), Act::Hear, say("{tag} NO no\r\n")],
                Code::StarttlsStripped,
            ),
            (
                "BAD",
                vec![say("* OK hi\r\n"), Act::Hear, say("{tag} BAD what\r\n")],
                Code::StarttlsStripped,
            ),
            (
                "+",
                vec![say("* OK hi\r\n"), Act::Hear, say("+ go on\r\n")],
                Code::StarttlsStripped,
            ),
            (
                "PREAUTH",
                vec![say("* PREAUTH welcome alice\r\n")],
                Code::PreauthCleartext,
            ),
            (
                "injection",
                vec![
                    say("* OK hi\r\n"),
                    Act::Hear,
                    say("{tag} OK begin\r\n* CAPABILITY IMAP4rev1\r\n"),
                ],
                Code::ResponseInjection,
            ),
        ],
        Service::Pop3 => vec![
            (
                "-ERR",
                vec![say("+OK hi\r\n"), Act::Hear, say("-ERR no\r\n")],
                Code::StarttlsStripped,
            ),
            (
                "injection",
                vec![
                    say("+OK hi\r\n"),
                    Act::Hear,
                    say("+OK begin\r\n+OK more\r\n"),
                ],
                Code::ResponseInjection,
            ),
        ],
        Service::Submission => {
            let ehlo = |text: &str| vec![say("220 hi\r\n"), Act::Hear, say(text)];
            let listed = |answer: &str| {
                let mut acts = ehlo("250-mail\r\n250 STARTTLS\r\n");
                acts.extend([Act::Hear, say(answer)]);
                acts
            };
            vec![
                (
                    "not offered",
                    ehlo("250-mail\r\n250 AUTH PLAIN\r\n"),
                    Code::StarttlsStripped,
                ),
                ("454", listed("454 not now\r\n"), Code::StarttlsStripped),
                ("502", listed("502 what\r\n"), Code::StarttlsStripped),
                (
                    "EHLO refused",
                    ehlo("502 what\r\n"),
                    Code::ProtocolViolation,
                ),
                (
                    "injection",
                    listed("220 go\r\n250 more\r\n"),
                    Code::ResponseInjection,
                ),
            ]
        }
    }
}

/// The words of a server that goes on to TLS.
fn up_to_tls(service: Service, start: TlsStart) -> Vec<Act> {
    let say = Act::say;
    match (service, start) {
        (_, TlsStart::Implicit) => vec![],
        (Service::Imap, _) => vec![say("* OK hi\r\n"), Act::Hear, say("{tag} OK begin\r\n")],
        (Service::Pop3, _) => vec![say("+OK hi\r\n"), Act::Hear, say("+OK begin\r\n")],
        (Service::Submission, _) => {
            vec![
                say("220 hi\r\n"),
                Act::Hear,
                say("250-m\r\n250 STARTTLS\r\n"),
                Act::Hear,
                say("220 go\r\n"),
            ]
        }
    }
}

/// Sets up with one evil server for `service`, and an honest one for the other family.
async fn against(
    service: Service,
    start: TlsStart,
    world: &mut World,
    script: Vec<Act>,
    what: &str,
) -> SetupError {
    let evil = EvilServer::start(script).await.unwrap();
    let honest = world.honest().await;
    let other = if service == Service::Submission {
        Service::Imap
    } else {
        Service::Submission
    };
    let records = format!(
        "{}._tcp SRV 0 1 {} mail\n{}._tcp SRV 0 1 {} mail",
        label_of(service, start),
        evil.address().port(),
        label_of(other, TlsStart::Implicit),
        honest.address().port()
    );
    world.serve(&example_org(Signing::Signed, &records)).await;
    let mut person = Script {
        password: Some(PASSWORD),
        ..Script::default()
    };
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert_eq!(
        person.shown_at_password,
        [],
        "{what}: the password was asked for"
    );
    assert_eq!(evil.received().connections, 1, "{what}: no second try");
    nothing_secret(&evil, what);
    nothing_secret(&honest, what);
    error
}

const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];

/// S5.1-8, S5.2-8, S3-2, C1, C4, C5, C6.
#[tokio::test]
async fn stripped_starttls_stops_set_up_without_a_secret_byte() {
    let mut world = World::new();
    for service in SERVICES {
        for (what, script, code) in stripped(service) {
            let what = format!("{service} {what}");
            let error = against(service, TlsStart::StartTls, &mut world, script, &what).await;
            assert!(
                matches!(error, SetupError::NoServer { .. }),
                "{what}: {error}"
            );
            assert_eq!(error.code(), Some(code), "{what}: {error}");
            // C10: no word of the server from before TLS
            assert!(
                !error.to_string().contains("begin") && !error.to_string().contains("welcome"),
                "{error}"
            );
        }
    }
}

/// S5-4, S5-5, S5.2-3, C15: four faults, three services, two modes.
#[tokio::test]
async fn a_certificate_that_cannot_be_validated_stops_set_up() {
    let mut world = World::new();
    let names = ["mail.example.org"];
    let certificates: Vec<(&str, Arc<TestCertificate>, Code)> = vec![
        (
            "self-signed",
            Arc::new(Leaf::new(&names).self_signed()),
            Code::CertChain,
        ),
        (
            "unknown authority",
            Arc::new(TestCa::new().server(&names)),
            Code::CertChain,
        ),
        (
            "wrong name",
            Arc::new(world.ca.server(&["mail.example.net"])),
            Code::CertName,
        ),
        (
            "expired",
            Arc::new(world.ca.issue(&Leaf::new(&names).expired())),
            Code::CertExpired,
        ),
    ];
    for service in SERVICES {
        for start in [TlsStart::Implicit, TlsStart::StartTls] {
            for (fault, certificate, code) in &certificates {
                let what = format!("{service} {start:?} {fault}");
                let mut script = up_to_tls(service, start);
                script.push(Act::StartTls(Arc::clone(certificate)));
                let error = against(service, start, &mut world, script, &what).await;
                assert!(
                    matches!(error, SetupError::NoServer { .. }),
                    "{what}: {error}"
                );
                assert_eq!(error.code(), Some(*code), "{what}: {error}");
            }
        }
    }
}

/// S5.1-11: no connection before the answer, and an answer covers its own host alone (S5.1-9).
#[tokio::test]
async fn an_unsigned_target_elsewhere_is_asked_about_before_any_connection() {
    let mut world = World::new();
    let (access, submission) = (world.honest().await, world.honest().await);
    let records = format!(
        "_imaps._tcp SRV 0 1 {} mail.elsewhere.test.\n_submissions._tcp SRV 0 1 {} other.elsewhere.test.",
        access.address().port(),
        submission.address().port()
    );
    world.serve(&example_org(Signing::Unsigned, &records)).await;

    let mut person = Script {
        password: Some(PASSWORD),
        ..Script::default()
    };
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    assert_eq!(error.code(), Some(Code::DiscoveryUntrusted));
    assert_eq!(person.asked_hosts, ["mail.elsewhere.test"]);
    assert_eq!(
        (
            access.received().connections,
            submission.received().connections
        ),
        (0, 0)
    );

    let mut person = Script {
        yes_hosts: vec!["mail.elsewhere.test"],
        password: Some(PASSWORD),
        ..Script::default()
    };
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SetupError::NotConfirmed(why) if why.host.as_str() == "other.elsewhere.test")
    );
    assert_eq!(
        (
            access.received().connections,
            submission.received().connections
        ),
        (1, 0)
    );

    let yes_hosts = vec!["mail.elsewhere.test", "other.elsewhere.test"];
    let mut person = Script {
        yes_hosts,
        ..Script::default()
    };
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(submission.received().connections, 1);
    nothing_secret(&access, "access");
    // S5-8: the sign stands where the password is asked for, one for each server
    assert!(
        person
            .shown_at_password
            .iter()
            .all(|(_, sign)| sign.is_locked())
    );
    assert_eq!(person.shown_at_password.len(), 2);
}

/// S5.1-10 (b): shown, not asked.
#[tokio::test]
async fn a_signed_target_elsewhere_passes_with_a_notice() {
    let mut world = World::new();
    let honest = world.honest().await;
    let port = honest.address().port();
    let records = format!(
        "_imaps._tcp SRV 0 1 {port} mail.elsewhere.test.\n_submissions._tcp SRV 0 1 {port} mail"
    );
    world.serve(&example_org(Signing::Signed, &records)).await;
    let mut person = Script::default();
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(person.signed_elsewhere, ["mail.elsewhere.test"]);
    assert_eq!(person.asked_hosts, Vec::<String>::new());
}

/// S5.1-3, S5.1-4: what is below the level is ignored, whatever its priority.
#[tokio::test]
async fn a_stripped_server_of_better_priority_is_passed_over_for_implicit_tls() {
    let mut world = World::new();
    let honest = world.honest().await;
    let (_, imap, _) = stripped(Service::Imap).remove(0);
    let (_, pop3, _) = stripped(Service::Pop3).remove(0);
    let (imap, pop3) = (
        EvilServer::start(imap).await.unwrap(),
        EvilServer::start(pop3).await.unwrap(),
    );
    let port = honest.address().port();
    let records = format!(
        "_imap._tcp SRV 0 1 {} mail\n_pop3._tcp SRV 0 1 {} mail\n_imaps._tcp SRV 50 1 {port} mail\n\
         _submissions._tcp SRV 0 1 {port} mail",
        imap.address().port(),
        pop3.address().port()
    );
    world.serve(&example_org(Signing::Signed, &records)).await;
    let mut person = Script::default();
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(
        person.shown_at_password[0].0,
        format!("IMAP at mail.example.org:{port}")
    );
    nothing_secret(&imap, "IMAP");
    nothing_secret(&pop3, "POP3");
}

/// C23: whoever blocks implicit TLS does not get STARTTLS.
#[tokio::test]
async fn blocked_implicit_tls_does_not_lead_to_starttls() {
    let mut world = World::new();
    let honest = world.honest().await;
    let mut script = up_to_tls(Service::Imap, TlsStart::StartTls);
    script.push(Act::StartTls(world.good()));
    let starttls = EvilServer::start(script).await.unwrap();
    let blocked = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let records = format!(
        "_imaps._tcp SRV 0 1 {blocked} mail\n_imap._tcp SRV 10 1 {} mail\n_submissions._tcp SRV 0 1 {} mail",
        starttls.address().port(),
        honest.address().port()
    );
    world.serve(&example_org(Signing::Signed, &records)).await;
    let mut person = Script {
        password: Some(PASSWORD),
        ..Script::default()
    };
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
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
    let mut world = World::new();
    let honest = world.honest().await;
    let records = format!(
        "_imaps._tcp SRV 0 1 {} mail\n_submissions._tcp SRV 0 0 0 .\n_submission._tcp SRV 0 0 0 .",
        honest.address().port()
    );
    world.serve(&example_org(Signing::Signed, &records)).await;
    let mut person = Script {
        password: Some(PASSWORD),
        ..Script::default()
    };
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::NotOffered { .. }), "{error}");
    assert_eq!(person.shown_at_password, []);
}

/// S5-1: silence leads to guesses that have to be confirmed, or to the end; never to cleartext.
#[tokio::test]
async fn a_domain_without_records_leads_to_questions() {
    let mut world = World::new();
    world
        .serve(&example_org(Signing::Signed, "imap A 127.0.0.1"))
        .await;
    let mut person = Script {
        password: Some(PASSWORD),
        ..Script::default()
    };
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    // only names that exist are asked about, and nobody is asked twice
    assert_eq!(person.asked_hosts, ["imap.example.org", "mail.example.org"]);
    world
        .serve(&[Zone::new("example.org", Signing::Signed, "")])
        .await;
    let error = world
        .set_up(&world.entered(), &mut Script::default())
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::Nothing { .. }), "{error}");
}

/// A typed server is not looked up by SRV, and is verified like any other.
#[tokio::test]
async fn typed_servers_need_no_srv() {
    let mut world = World::new();
    let honest = world.honest().await;
    world.serve(&example_org(Signing::Signed, "")).await;
    let mut entered = world.entered();
    let domain = Domain::parse("example.org").unwrap();
    let typed = |service| {
        let label = Label::new(service, TlsStart::Implicit);
        let host = Host::parse("mail.example.org").unwrap();
        Some(Candidate::typed(
            &domain,
            label,
            host,
            Some(honest.address().port()),
        ))
    };
    entered.access = typed(Service::Imap);
    entered.submission = typed(Service::Submission);
    let error = world
        .set_up(&entered, &mut Script::default())
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::Stopped), "{error}");
    let queries = world.dns.as_ref().unwrap().queries();
    assert!(
        !queries.iter().any(|query| query.starts_with("SRV")),
        "{queries:?}"
    );
}

/// R6186-2: a server that is down is passed over for the next; and what is left is ranked anew (S5.1-4).
#[tokio::test]
async fn the_next_server_is_used_and_the_rest_ranked_anew() {
    let mut world = World::new();
    let honest = world.honest().await;
    let port = honest.address().port();
    let down = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let sending =
        format!("_submissions._tcp SRV 0 1 {down} mail\n_submissions._tcp SRV 1 1 {port} mail");
    world
        .serve(&example_org(
            Signing::Signed,
            &format!("_imaps._tcp SRV 0 1 {port} mail\n{sending}"),
        ))
        .await;
    let mut person = Script::default();
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(
        person.shown_at_password[1].0,
        format!("submission at mail.example.org:{port}")
    );

    // IMAP leads by a stripped entry alone; without it POP3 has the better priority
    let (_, imap, _) = stripped(Service::Imap).remove(0);
    let imap = EvilServer::start(imap).await.unwrap();
    let records = format!(
        "_imap._tcp SRV 0 1 {} mail\n_imaps._tcp SRV 50 1 {port} mail\n_pop3s._tcp SRV 10 1 {port} mail\n{sending}",
        imap.address().port()
    );
    world.serve(&example_org(Signing::Signed, &records)).await;
    let mut person = Script::default();
    let error = world
        .set_up(&world.entered(), &mut person)
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::Stopped), "{error}");
    assert_eq!(
        person.shown_at_password[0].0,
        format!("POP3 at mail.example.org:{port}")
    );
}

/// S5.1-10 (d): a bogus zone ends set-up; nothing is guessed, asked or connected to.
#[tokio::test(flavor = "multi_thread")]
async fn bogus_dns_ends_set_up() {
    let mut world = World::new();
    let honest = world.honest().await;
    let port = honest.address().port();
    let records = format!("_imaps._tcp SRV 0 1 {port} mail\n_submissions._tcp SRV 0 1 {port} mail");
    let zones = [Zone::new(
        "example.org",
        Signing::Tampered,
        &format!("mail A 127.0.0.1\n{records}"),
    )];
    let Some(dns) = NameServer::start(&zones).unwrap() else {
        return;
    };
    world.serve(&[]).await;
    let mut entered = world.entered();
    entered.network.name_server = Some(dns.address());
    entered.network.trust_anchor = Some(dns.trust_anchor().to_owned());
    let mut person = Script {
        password: Some(PASSWORD),
        ..Script::default()
    };
    let error = world.set_up(&entered, &mut person).await.unwrap_err();
    assert!(
        matches!(error, SetupError::Discover(DiscoverError::Bogus { .. })),
        "{error}"
    );
    assert_eq!(error.code(), Some(Code::DiscoveryUntrusted));
    assert_eq!(person.asked_hosts, Vec::<String>::new());
    assert_eq!(honest.received().connections, 0);
}
