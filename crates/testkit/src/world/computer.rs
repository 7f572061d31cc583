//! What a person has on the other side: a computer with accounts in files, and answers to what set-up asks.

use std::fs;

use pillarbox_client::{
    Account, Accounts, ClientError, Draft, Entered, Folder, Indicator, Letter, NetworkSettings,
    PasswordPlace, Passwords, Person, Reader, SetupError, Stage, SubmissionSession, set_up,
};
use pillarbox_discover::{Candidate, Confirmation, NotConfirmed};
use pillarbox_names::{AccountAddress, Domain, Host, Label, Service, TlsStart};
use pillarbox_policy::{AccountLevel, Secret};

use crate::programs::{ALICE, PASSWORD};
use crate::{EvilServer, Site};

/// What the computer sends when it submits.
pub const LETTER: &str = "the treasure is under the oak";
/// Base64 of the login, of the password, and of both as PLAIN has them.
const CODED: [&str; 3] = [
    "YWxpY2VAZXhhbXBsZS5vcmc=",
    "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
    "AGFsaWNlQGV4YW1wbGUub3JnAGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==",
];

/// Asserts that a server was not told one octet of a secret or of mail, nor a command that carries any, whatever the
/// protocol.
#[track_caller]
pub fn told_nothing(server: &EvilServer, what: &str) {
    let received = server.received();
    let words = "LOGIN AUTH USER PASS RCPT DATA SELECT EXAMINE ENABLE COMPRESS CLIENTID alice";
    let phrases = ["MAIL FROM", "HELO ", "ID (", PASSWORD, LETTER];
    for secret in words.split(' ').chain(phrases).chain(CODED) {
        let text = received.text();
        let told = received.contains(secret.as_bytes());
        assert!(!told, "{what}: {secret} in {text:?}");
    }
}

/// Answers as it was told, and remembers what it was asked.
#[derive(Debug, Default)]
pub struct ScriptedPerson {
    /// The hosts it says yes to; to all of them if this is none.
    pub trusts: Option<Vec<&'static str>>,
    /// The password it gives, if any.
    pub password: Option<&'static str>,
    /// The hosts it was asked about.
    pub asked_hosts: Vec<String>,
    /// The servers and their signs that it was shown where it was asked for a password.
    pub shown_at_password: Option<Vec<(String, Indicator)>>,
    /// The hosts elsewhere of which it was told that signed DNS names them.
    pub signed_elsewhere: Vec<String>,
}

impl ScriptedPerson {
    /// Says yes to these hosts alone, and has the password.
    pub fn who_trusts(hosts: &[&'static str]) -> Self {
        Self {
            trusts: Some(hosts.to_vec()),
            password: Some(PASSWORD),
            ..Self::default()
        }
    }

    /// Says yes to everything, and has the password.
    pub fn who_trusts_all() -> Self {
        Self {
            password: Some(PASSWORD),
            ..Self::default()
        }
    }

    /// Says no to every host, and stops where the password is asked for.
    pub fn who_stops() -> Self {
        Self {
            trusts: Some(Vec::new()),
            ..Self::default()
        }
    }
}

impl Person for ScriptedPerson {
    fn tell(&mut self, stage: &Stage<'_>) {
        if let Stage::SignedElsewhere(server) = stage {
            self.signed_elsewhere.push(server.host().to_string());
        }
    }

    fn confirm(&mut self, question: &NotConfirmed) -> Option<Confirmation> {
        self.asked_hosts.push(question.host.to_string());
        let trusts = self.trusts.as_ref();
        let yes = trusts.is_none_or(|hosts| hosts.contains(&question.host.as_str()));
        yes.then(|| Confirmation::given_for(question.host.clone()))
    }

    fn password(
        &mut self,
        _: &AccountAddress,
        servers: &[(Candidate, Indicator)],
    ) -> Option<Secret> {
        let servers = servers.iter();
        let shown = servers.map(|(server, sign)| (server.to_string(), sign.clone()));
        self.shown_at_password = Some(shown.collect());
        self.password.map(Secret::from)
    }
}

/// A computer at a site, whose accounts are in files.
#[derive(Debug)]
pub struct Computer<'site> {
    site: &'site Site,
    /// Its accounts.
    pub accounts: Accounts,
    /// Their passwords.
    pub passwords: Passwords,
}

impl<'site> Computer<'site> {
    /// One whose folder of this name is in the site's.
    pub fn new(site: &'site Site, name: &str) -> Self {
        let folder = Folder::new(Some(site.file(name))).unwrap();
        Self {
            site,
            accounts: Accounts::new(folder.clone()),
            passwords: Passwords::new(folder),
        }
    }

    /// What Alice types who knows her address alone.
    pub fn entered(&self) -> Entered {
        Entered {
            address: address(ALICE),
            name: None,
            login: None,
            level: AccountLevel::default(),
            access: None,
            submission: None,
            password_place: Some(PasswordPlace::File),
            network: NetworkSettings {
                name_server: Some(self.site.resolver()),
                trust_anchor: Some(self.site.trust_anchor().to_owned()),
                ca_file: Some(self.site.root_file()),
            },
        }
    }

    /// What is typed for a server at `mail.example.org`.
    pub fn typed(service: Service, start: TlsStart, server: &EvilServer) -> Option<Candidate> {
        let domain = Domain::parse("example.org").unwrap();
        let host = Host::parse("mail.example.org").unwrap();
        let label = Label::new(service, start);
        Some(Candidate::typed(&domain, label, host, Some(server.port())))
    }

    /// Sets up what was entered; answers the account's file. On failure nothing is written.
    ///
    /// # Errors
    /// Of set-up.
    pub async fn set_up(
        &self,
        entered: &Entered,
        person: &mut ScriptedPerson,
    ) -> Result<String, SetupError> {
        let file = self.accounts.file(&entered.address);
        let outcome = set_up(entered, &self.accounts, &self.passwords, person).await;
        if outcome.is_err() {
            assert!(self.accounts.all().unwrap().is_empty());
            assert!(!self.passwords.file(&entered.address).exists());
        }
        outcome.map(|_| fs::read_to_string(file).unwrap())
    }

    /// Sets up an address alone, which has to fail.
    pub async fn fail_to_set_up(&self, person: &mut ScriptedPerson) -> SetupError {
        self.set_up(&self.entered(), person).await.unwrap_err()
    }

    /// Writes an account that was set up with `mail.example.org`, where access and submission have this port and
    /// begin TLS in this way; and its password.
    pub fn store(&self, login: &str, level: &str, access: Service, start: TlsStart, port: u16) {
        let tls = start.as_str();
        let servers = [("access", access), ("submission", Service::Submission)].map(|(of, service)| {
            format!(
                "[{of}]\nservice = {:?}\nhost = \"mail.example.org\"\nport = {port}\ntls = {tls:?}\nfound = \"srv\"\n",
                service.as_str()
            )
        });
        let text = format!(
            "address = {login:?}\nlogin = {login:?}\nlevel = {level:?}\npassword = \"file\"\n{}\
             [network]\nname-server = \"{}\"\ntrust-anchor = \"\"\"{}\"\"\"\nca-file = {:?}\n",
            servers.concat(),
            self.site.resolver(),
            self.site.trust_anchor(),
            self.site.root_file()
        );
        let login = address(login);
        for (path, text) in [
            (self.accounts.file(&login), text.as_str()),
            (self.passwords.file(&login), PASSWORD),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// A stored account.
    pub fn account(&self, login: &str) -> Account {
        let (account, notice) = self.accounts.find(Some(&address(login))).unwrap();
        assert_eq!(notice, None);
        account
    }

    /// Stores Alice's account with this port for both services, and reads a message or sends one.
    ///
    /// # Errors
    /// Of the session.
    pub async fn use_service(
        &self,
        service: Service,
        start: TlsStart,
        port: u16,
    ) -> Result<(), ClientError> {
        let access = match service {
            Service::Submission => Service::Imap,
            access => access,
        };
        self.store(ALICE, "default", access, start, port);
        let account = self.account(ALICE);
        if service == Service::Submission {
            let letter = Letter {
                to: vec!["bob@example.org".parse().unwrap()],
                subject: "hi".to_owned(),
                text: LETTER.to_owned(),
                ..Letter::default()
            };
            let draft = Draft::new(&account, &letter).unwrap();
            let mut session = SubmissionSession::open(&account, &self.passwords).await?;
            session.send(&draft).await.map(|_| ())
        } else {
            let mut reader = Reader::open(&account, &self.passwords).await?;
            reader.message("INBOX", 1).await.map(|_| ())
        }
    }
}

fn address(login: &str) -> AccountAddress {
    AccountAddress::parse(login).unwrap()
}
