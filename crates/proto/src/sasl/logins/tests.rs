//! What each state of a connection lists and reads of logins.

use pillarbox_policy::{CleartextGrant, Grants, Timestamp};
use pillarbox_testkit::{clear_facts, facts};

use super::*;
use crate::channel::Clear;

/// What each state lists, whether it reads a login, and whether it is inside TLS: in the clear every login is asked
/// about anew (S4.1-4, S4.1-12).
#[test]
fn where_a_login_may_be_read() {
    use Mechanism::{Plain, ScramSha256};
    let in_clear: &[Mechanism] = &[ScramSha256, Plain];
    let holds = |logins: &mut Logins, listed, reads, sealed| {
        assert_eq!(logins.listed(), listed);
        assert_eq!(logins.authentication().is_some(), reads);
        assert_eq!(logins.are_sealed(), sealed);
    };
    let clear = Clear::new(clear_facts());
    let mut logins = Logins::in_clear(&clear, LoginsInClear::Listed);
    holds(&mut logins, Some(in_clear), false, false);
    let mut logins = Logins::in_clear(&clear, LoginsInClear::NotListed);
    holds(&mut logins, None, false, false);

    let grant = CleartextGrant {
        account: "ann@example.org".to_owned(),
        networks: Vec::new(),
        until: Timestamp(2),
        reason: "an old printer".to_owned(),
        given: Timestamp(0),
    };
    let window = Grants::restore(vec![grant], Timestamp(1)).window(clear_facts().peer());
    logins.permitted(&permit(&clear, window.as_ref()).unwrap());
    holds(&mut logins, Some(in_clear), true, false);
    logins.ask_again();
    holds(&mut logins, Some(in_clear), false, false);

    let sealed = Sealed::new(facts());
    let mut logins = Logins::sealed(&sealed);
    let listed = mechanisms_offered(sealed.view());
    holds(&mut logins, Some(listed), true, true);
    logins.ask_again();
    holds(&mut logins, Some(listed), true, true);
}
