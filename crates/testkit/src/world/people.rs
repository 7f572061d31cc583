//! Who has an account in a [`super::World`], and how they log in.

/// The server's name, in its certificate too.
pub const HOSTNAME: &str = "mail.example.org";
/// An account.
pub const ANN: &str = "ann@example.org";
/// Another account.
pub const BOB: &str = "bob@example.org";
/// Ann's password, and Bob's.
pub const PASSWORD: &str = "correct horse";
/// IMAP's LOGIN of Ann.
pub const LOGIN: &str = "LOGIN ann@example.org \"correct horse\"";
/// `PLAIN` of Ann with her password, in base64.
pub const PLAIN_OF_ANN: &str = "AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl";
