//! Tests of the POP3 machines: transcripts, state rules, attacks (ATTACKS.md rows S1-S8, C1-C22), and both
//! ends against each other.

mod attacks_on_client;
mod attacks_on_server;
mod both_ends;
mod client;
mod owner;
mod server;
mod transcripts;
