//! What a command and a message cost to read, beside the oracles of the tests: `cargo bench -p pillarbox-proto`.
//!
//! Ours is measured through the whole machine: framing, parsing, the event and the tagged reply; the oracle only
//! parses. Medians of several rounds, each taking turns, so that a machine that changes its pace does it to both.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use mail_parser::MessageParser;
use pillarbox_proto::imap::server::{Completion, Event, Limits, SelectedMailbox, Server};
use pillarbox_proto::message::{IndexLimits, Indexer};
use pillarbox_proto::sasl::LoginAnswer;
use pillarbox_proto::{Machine, Sealed, Start, Step};
use pillarbox_testkit::facts;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(150);

/// Seconds per call, median of the rounds, for each of two rivals in turn.
fn rivals(mut ours: impl FnMut(), mut theirs: impl FnMut()) -> (f64, f64) {
    let mut seconds = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        seconds.0.push(round(&mut ours));
        seconds.1.push(round(&mut theirs));
    }
    (median(seconds.0), median(seconds.1))
}

fn round(call: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut calls = 0_u32;
    while started.elapsed() < ROUND {
        for _ in 0..16 {
            call();
        }
        calls += 16;
    }
    started.elapsed().as_secs_f64() / f64::from(calls)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A session that has logged in and opened a mailbox.
fn with_mailbox() -> Server<Sealed> {
    let mut dialogue = Server::<Sealed>::start(&Sealed::new(facts()), Limits::default());
    dialogue.input(b"a LOGIN juliet wherefore\r\nb SELECT INBOX\r\n");
    loop {
        match dialogue.poll() {
            Step::Event(Event::Login(_)) => dialogue.answer_login(LoginAnswer::Accept),
            Step::Event(Event::Select(_)) => dialogue.selected(&SelectedMailbox {
                messages: 3,
                uid_validity: NonZeroU32::MIN,
                uid_next: NonZeroU32::MIN,
                first_unseen: None,
                keywords: Vec::new(),
                highest_modseq: 1,
            }),
            Step::NeedInput => return dialogue,
            Step::Output(_) => (),
            other => panic!("{other:?}"),
        }
    }
}

fn serve(dialogue: &mut Server<Sealed>, command: &[u8]) {
    dialogue.input(command);
    loop {
        match dialogue.poll() {
            Step::Event(event) => {
                black_box(&event);
                dialogue.complete(Completion::DONE);
            }
            Step::Output(bytes) => drop(black_box(bytes)),
            Step::NeedInput => return,
            other => panic!("{other:?}"),
        }
    }
}

fn letter(size: usize) -> Vec<u8> {
    let mut letter = b"From: Juliet <juliet@verona.example>\r\nTo: romeo@verona.example\r\nSubject: A rose\r\n\
        Date: Mon, 23 Nov 2026 18:00:00 +0000\r\nMessage-ID: <1@verona.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"=_part\"\r\n\r\n"
        .to_vec();
    for _ in 0..4 {
        letter.extend(b"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        let end = letter.len() + size / 4;
        while letter.len() < end {
            letter.extend(
                b"V2hhdCdzIGluIGEgbmFtZT8gVGhhdCB3aGljaCB3ZSBjYWxsIGEgcm9zZSBCeSBhbnkgb3Ro\r\n",
            );
        }
    }
    letter.extend(b"--=_part--\r\n");
    letter
}

fn main() {
    println!("| reading | ours | beside | ratio |\n|---|---|---|---|");
    for (name, command) in [
        (
            "UID FETCH of summaries",
            &b"a1 UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)\r\n"[..],
        ),
        (
            "SEARCH with five keys",
            b"a2 UID SEARCH UNSEEN SINCE 1-Nov-2026 FROM \"juliet\" OR SUBJECT rose TEXT name\r\n",
        ),
        (
            "STORE of flags",
            b"a3 UID STORE 5,7,9:12 +FLAGS.SILENT (\\Seen \\Flagged)\r\n",
        ),
        ("NOOP", b"a4 NOOP\r\n"),
    ] {
        let mut dialogue = with_mailbox();
        let (ours, theirs) = rivals(
            || serve(&mut dialogue, command),
            || drop(black_box(CommandCodec::default().decode(command).unwrap())),
        );
        println!(
            "| {name} | {:.0} ns | imap-codec {:.0} ns | {:.2} |",
            ours * 1e9,
            theirs * 1e9,
            ours / theirs
        );
    }
    let letter = letter(1 << 20);
    let (ours, theirs) = rivals(
        || {
            let mut indexer = Indexer::new(IndexLimits::default());
            letter
                .chunks(16 * 1024)
                .for_each(|piece| indexer.push(piece));
            drop(black_box(indexer.finish().to_bytes()));
        },
        || drop(black_box(MessageParser::new().parse(&letter))),
    );
    let speed = |seconds: f64| letter.len() as f64 / seconds / 1e6;
    println!(
        "| structure of a 1 MiB message | {:.0} MB/s | mail-parser {:.0} MB/s | {:.2} |",
        speed(ours),
        speed(theirs),
        speed(ours) / speed(theirs)
    );
}
