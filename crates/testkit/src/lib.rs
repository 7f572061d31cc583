//! Dev-only: what tests of the other crates share. Test facts, a test CA, signed DNS zones served by a real
//! name server, scripted evil peers, the programs as child processes; with the feature `world` also the real server
//! in this process and a person's computer. No product crate depends on this one.
//!
//! ```
//! let facts = pillarbox_testkit::facts();
//! assert_eq!(facts.suite().to_string(), "TLS_AES_256_GCM_SHA384");
//! ```

pub mod attacks;
mod ca;
mod core_dumps;
mod corpus;
mod evil;
mod facts;
mod faulty_engine;
pub mod ledger;
mod log;
pub mod memory;
pub mod needs;
pub mod programs;
pub mod results;
mod site;
pub mod transcript;
#[cfg(feature = "world")]
pub mod world;
mod zone;
mod zone_in_process;

pub use ca::{Leaf, Limit, PemFiles, TestCa, TestCertificate};
pub use core_dumps::dumps_no_core;
pub use corpus::{Sample, corpus};
pub use evil::{Act, EvilServer, LOGGED_IN, Received};
pub use facts::{clear_facts, facts, facts_with, starttls_facts};
pub use faulty_engine::{Faults, FaultyEngine};
pub use log::Log;
pub use site::Site;
pub use zone::{NameServer, Signing, Zone};
pub use zone_in_process::InProcessNameServer;
