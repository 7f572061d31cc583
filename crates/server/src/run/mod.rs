//! A server at work: it starts, opens its listeners, gives each connection to its protocol, answers the operator, and
//! stops.

pub mod admin;
pub mod certificates;
pub mod lifecycle;
pub(crate) mod listeners;
