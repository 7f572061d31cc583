//! [`World`]: the real server in this process, with real certificates, a real store and real sockets; and
//! [`Computer`]: what a person has on the other side.
//!
//! ```no_run
//! # async fn example() {
//! use pillarbox_testkit::world::{ANN, World};
//! let world = World::start().await;
//! let uid = world.deliver(ANN, b"Subject: lunch\r\n\r\n").await;
//! let mut ann = world.imap().await;
//! ann.log_in().await;
//! assert!(ann.ask("SELECT INBOX").await.contains("* 1 EXISTS\r\n"));
//! # }
//! ```
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "dev-only: what meets the unexpected fails the test"
)]

mod computer;
mod door;
mod in_process;
mod peer;
mod people;

pub use self::computer::{Computer, LETTER, ScriptedPerson, told_nothing};
pub use self::door::Door;
pub use self::in_process::{Stored, World};
pub use self::peer::Peer;
pub use self::people::{ANN, BOB, HOSTNAME, LOGIN, PASSWORD, PLAIN_OF_ANN};
