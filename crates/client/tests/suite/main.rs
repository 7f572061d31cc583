//! The client against real name servers and scripted peers.

mod attacks;
mod levels;
mod no_records;
mod set_up;
mod stored_account;
