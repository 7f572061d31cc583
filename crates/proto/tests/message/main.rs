//! The structure of messages.

mod index;
mod properties;
