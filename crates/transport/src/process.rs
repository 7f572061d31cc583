//! What keeps this process' memory to itself: passwords and TLS keys pass through it.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Makes sure that no core dump of this process is ever written, and that no other process of the same user can
/// read its memory (`RLIMIT_CORE` 0, and `PR_SET_DUMPABLE` 0, which also holds where a pipe collects dumps).
/// To be called before anything secret is read.
///
/// # Errors
/// The system refused one of them; the other was tried all the same.
pub fn forbid_core_dumps() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let limited = setrlimit(Resource::Core, none);
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(limited?)
}
