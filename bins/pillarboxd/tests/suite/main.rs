//! The server program, from outside.

mod attacks;
mod command_line;
mod house;
mod interop;
mod lifecycle;
mod listeners;
mod secrets_in_memory;
