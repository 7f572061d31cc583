//! The words that outcomes of logins are recorded by.

use pillarbox_policy::LoginOutcome;

#[test]
fn words_are_read_back() {
    for outcome in LoginOutcome::ALL {
        let read: LoginOutcome = outcome.as_str().parse().unwrap();
        assert_eq!(read, outcome);
    }
    assert!("OK".parse::<LoginOutcome>().is_err());
}
