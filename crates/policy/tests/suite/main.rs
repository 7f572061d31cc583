//! The policy, as tables and properties.

mod codes;
mod facts;
mod ladder;
mod level;
mod login;
