//! The policy, as tables and properties.

mod codes;
mod ladder;
mod level;
mod login;
