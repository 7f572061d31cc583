//! The client program, from outside.

mod cli;
mod codes;
mod mail;
mod support;
mod with_pillarboxd;
