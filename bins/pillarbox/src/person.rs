//! Asking and telling: set-up's person is whoever sits at the terminal, or the flags of a script.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use pillarbox_client::{Indicator, PasswordPlace, Person, Stage};
use pillarbox_discover::{Candidate, Confirmation, NotConfirmed};
use pillarbox_names::{AccountAddress, Host};
use pillarbox_policy::{Consent, Lowering, Secret, SecretBytes, Timestamp};

use crate::args::AnswerToWarning;
use crate::output::Output;

/// The most octets of a password from standard input.
const MAX_PASSWORD: usize = 4096;

/// Whether there is somebody to ask.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The person at set-up.
pub(crate) struct AtSetUp<'a> {
    pub(crate) output: &'a mut Output,
    /// Hosts that were said yes to beforehand. Each answer covers its own host alone.
    pub(crate) yes_hosts: Vec<Host>,
    /// Where the password comes from.
    pub(crate) password: PasswordFrom,
    /// Servers that could not be used while others could. Where none could, the error says it all.
    pub(crate) passed_over: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordFrom {
    Terminal,
    StandardInput,
}

impl Person for AtSetUp<'_> {
    fn tell(&mut self, stage: &Stage<'_>) {
        match stage {
            Stage::Searching(domain) => self.output.busy(&format!("asking DNS about {domain}")),
            Stage::Connecting(server) => self.output.busy(&format!("connecting: {server}")),
            Stage::LoggingIn(server, login) => self.output.busy(&format!("logging in as {login}: {server}")),
            Stage::SignedElsewhere(server) => self.output.note(&format!(
                "{} is outside of the mail domain; signed DNS (DNSSEC) names it, so it is used.",
                server.host()
            )),
            // its sign is shown where the password is asked for
            Stage::Verified(server, _) => self.output.busy(&format!("verified: {server}")),
            Stage::PassedOver(server, why) => {
                let code = why.code().map_or(String::new(), |code| format!(" [{code}]"));
                self.passed_over.push(format!("Passed over {server}: {why}{code}"));
            }
            Stage::OtherLogin(login) => self.output.note(&format!("The server does not accept this login name and password; trying \"{login}\" as the login name.")),
            Stage::PasswordKept(PasswordPlace::Keyring) => {
                self.output.note("The password is kept in this system's keyring.");
            }
            Stage::PasswordKept(PasswordPlace::File) => self.output.note(
                "The password is kept in a file that only you can read (mode 0600), not in a keyring. Whoever can \
                 read your files can read it.",
            ),
            _ => {}
        }
    }

    fn confirm(&mut self, question: &NotConfirmed) -> Option<Confirmation> {
        self.output.done();
        let NotConfirmed { domain, host, .. } = question;
        self.output.note(&format!("{question}."));
        let said_before = self.yes_hosts.contains(host);
        let agreed = said_before
            || (somebody_is_there()
                && asked(&format!(
                    "Is {host} really where your mail for {domain} is? (ask your provider if unsure)"
                )));
        if !agreed && !somebody_is_there() {
            self.output
                .note(&format!("To say yes, add: --yes-host {host}"));
        }
        agreed.then(|| Confirmation::given_for(host.clone()))
    }

    fn password(
        &mut self,
        address: &AccountAddress,
        servers: &[(Candidate, Indicator)],
    ) -> Option<Secret> {
        self.output.done();
        for server in self.passed_over.drain(..) {
            self.output.note(&server);
        }
        self.output
            .note("The password will be sent to these servers and to no other:");
        for (server, sign) in servers {
            self.output.note(&format!("  {server}\n    {sign}"));
        }
        match self.password {
            PasswordFrom::Terminal => {
                if !somebody_is_there() {
                    self.output.note(
                        "There is nobody to ask for the password; give it with --password-stdin.",
                    );
                    return None;
                }
                inquire::Password::new(&format!("Password of {address}:"))
                    .without_confirmation()
                    .prompt()
                    .ok()
                    .filter(|text| !text.is_empty())
                    .map(Secret::new)
            }
            PasswordFrom::StandardInput => {
                // Not by way of std's own reader, whose buffer lives as long as the process.
                let mut input = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
                let text = SecretBytes::read_line(&mut input, MAX_PASSWORD).ok()?;
                if text.is_empty() {
                    self.output.note("Standard input holds no password.");
                    return None;
                }
                text.try_into().ok()
            }
        }
    }
}

/// A question with "no" for an answer unless the person says otherwise (S5.2-10).
pub(crate) fn asked(question: &str) -> bool {
    inquire::Confirm::new(question)
        .with_default(false)
        .prompt()
        .unwrap_or(false)
}

/// Shows the warning of a lowering, and asks, unless a script has answered (S5.2-7). `None` where the level
/// stays.
pub(crate) fn agreed(
    lowering: Lowering,
    answer: AnswerToWarning,
    output: &Output,
) -> Option<Consent> {
    output.note(&format!("WARNING: {}", lowering.warning()));
    let agreed =
        answer.accept_no_privacy || (somebody_is_there() && asked("Lower it all the same?"));
    agreed.then(|| lowering.agreed(now()))
}

/// The time of a consent.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}
