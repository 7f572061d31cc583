//! How much a server takes of one client before it closes the connection: one table for IMAP, POP3 and submission
//! (S6), and the counting.

use crate::Violation;

/// What one session may cost before it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Attempts to log in that did not succeed, for whatever reason.
    pub failed_logins: u32,
    /// Commands of any kind before a login.
    pub commands_before_login: u32,
    /// Bad commands in a row before a login.
    pub bad_before_login: u32,
    /// Bad commands in a row after it: whoever has logged in is known, and scripts make mistakes.
    pub bad_after_login: u32,
}

impl Default for SessionLimits {
    /// 3 failed logins, 50 commands before a login, 5 bad ones in a row before it and 50 after it.
    fn default() -> Self {
        Self {
            failed_logins: 3,
            commands_before_login: 50,
            bad_before_login: 5,
            bad_after_login: 50,
        }
    }
}

/// What one session has cost so far. Each count answers an error when the limit is reached.
#[derive(Debug)]
pub(crate) struct SessionCounts {
    limits: SessionLimits,
    stage: Stage,
    last_command: Command,
    failed_logins: u32,
    commands: u32,
    bad: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    BeforeLogin,
    AfterLogin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Good,
    Bad,
}

impl SessionCounts {
    pub(crate) fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            stage: Stage::BeforeLogin,
            last_command: Command::Good,
            failed_logins: 0,
            commands: 0,
            bad: 0,
        }
    }

    /// A command has come; good unless [`SessionCounts::bad`] follows.
    pub(crate) fn command(&mut self) -> Result<(), Violation> {
        if self.last_command == Command::Good {
            self.bad = 0;
        }
        self.last_command = Command::Good;
        self.commands = self.commands.saturating_add(1);
        match self.stage {
            Stage::BeforeLogin if self.commands > self.limits.commands_before_login => {
                Err(Violation::TooManyCommands)
            }
            _ => Ok(()),
        }
    }

    /// It cannot be read, or may not come now.
    pub(crate) fn bad(&mut self) -> Result<(), Violation> {
        self.last_command = Command::Bad;
        self.bad = self.bad.saturating_add(1);
        let most = match self.stage {
            Stage::BeforeLogin => self.limits.bad_before_login,
            Stage::AfterLogin => self.limits.bad_after_login,
        };
        if self.bad < most {
            Ok(())
        } else {
            Err(Violation::TooManyBadCommands)
        }
    }

    /// An attempt to log in did not succeed.
    pub(crate) fn failed_login(&mut self) -> Result<(), Violation> {
        self.failed_logins = self.failed_logins.saturating_add(1);
        if self.failed_logins < self.limits.failed_logins {
            Ok(())
        } else {
            Err(Violation::TooManyFailedLogins)
        }
    }

    /// One did.
    pub(crate) fn logged_in(&mut self) {
        self.stage = Stage::AfterLogin;
        self.bad = 0;
    }

    /// Nobody is logged in any more: the limits before a login hold again.
    pub(crate) fn logged_out(&mut self) {
        self.stage = Stage::BeforeLogin;
        self.commands = 0;
        self.bad = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_commands_are_counted_in_a_row() {
        let mut counts = SessionCounts::new(SessionLimits::default());
        for _ in 0..2 {
            for _ in 0..4 {
                assert_eq!(counts.command(), Ok(()));
                assert_eq!(counts.bad(), Ok(()));
            }
            assert_eq!(counts.command(), Ok(()));
        }
        for _ in 0..4 {
            assert_eq!(counts.command(), Ok(()));
            assert_eq!(counts.bad(), Ok(()));
        }
        assert_eq!(counts.command(), Ok(()));
        assert_eq!(counts.bad(), Err(Violation::TooManyBadCommands));
    }

    #[test]
    fn commands_are_counted_before_a_login_and_not_after_it() {
        let mut counts = SessionCounts::new(SessionLimits::default());
        for _ in 0..50 {
            assert_eq!(counts.command(), Ok(()));
        }
        assert_eq!(counts.command(), Err(Violation::TooManyCommands));
        counts.logged_in();
        assert_eq!(counts.command(), Ok(()));
        counts.logged_out();
        for _ in 0..50 {
            assert_eq!(counts.command(), Ok(()));
        }
        assert_eq!(counts.command(), Err(Violation::TooManyCommands));
    }

    #[test]
    fn the_third_failed_login_is_the_last() {
        let mut counts = SessionCounts::new(SessionLimits::default());
        assert_eq!(counts.failed_login(), Ok(()));
        assert_eq!(counts.failed_login(), Ok(()));
        assert_eq!(counts.failed_login(), Err(Violation::TooManyFailedLogins));
    }
}
