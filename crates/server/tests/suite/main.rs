//! Sessions over real sockets, with a real store.

mod authentication;
mod goodbyes;
mod house;
mod imap;
mod pop3;
mod strangers;
mod submission;
