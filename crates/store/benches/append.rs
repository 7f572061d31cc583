//! Durable appends of 10 KiB messages per second, beside what the same disk does in the same run for
//! `fdatasync` alone and for a file per message with one `fsync` each, as a Maildir is written.
//!
//! Prints a Markdown table of medians. Arguments: seconds per run (1), runs (3), folder (the system's
//! temporary one).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where something is wrong"
)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillarbox_policy::{Ladder, Timestamp};
use pillarbox_store::{
    AccountId, EmbeddedOptions, EmbeddedStore, Flags, MailboxId, NewAccount, NewMessage, ScramKeys,
    Stores, Verifiers,
};

const MESSAGE: usize = 10 << 10;
const WRITERS: [usize; 3] = [1, 8, 64];

/// What one run came to.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: f64,
    /// 99 of 100 were done within this.
    p99: Duration,
}

/// A way to make messages durable: folder, writers, time.
type Design = fn(&Path, usize, Duration) -> Rate;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let seconds = arguments.next().and_then(|a| a.parse().ok()).unwrap_or(1.0);
    let runs: usize = arguments.next().and_then(|a| a.parse().ok()).unwrap_or(3);
    let place = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let time = Duration::from_secs_f64(seconds);
    let designs: [(&str, Design); 4] = [
        ("raw `fdatasync`, prewritten files", raw),
        ("a file and a `fsync` per message", file_per_message),
        ("store, 1 shard", |folder, writers, time| {
            stored(folder, 1, writers, time)
        }),
        ("store, 4 shards (default)", |folder, writers, time| {
            stored(folder, EmbeddedOptions::default().shards, writers, time)
        }),
    ];
    // Taken in turns, so that a disk that has a bad moment has it for all.
    let mut rates = vec![vec![Vec::new(); WRITERS.len()]; designs.len()];
    for _ in 0..runs {
        for (column, writers) in WRITERS.into_iter().enumerate() {
            for (row, (_, design)) in designs.iter().enumerate() {
                let folder = tempfile::tempdir_in(&place).unwrap();
                rates[row][column].push(design(folder.path(), writers, time));
            }
        }
    }
    println!("| 10 KiB messages, durable, per second (p99) | 1 writer | 8 writers | 64 writers |");
    println!("|---|---|---|---|");
    let median = |rates: &[Rate]| {
        let mut rates = rates.to_vec();
        rates.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
        rates[rates.len() / 2]
    };
    for ((name, _), row) in designs.iter().zip(&rates) {
        let cells: Vec<String> = row
            .iter()
            .map(|rates| {
                let rate = median(rates);
                let p99 = rate.p99.as_secs_f64() * 1e3;
                format!("{:.0} ({p99:.1} ms)", rate.per_second)
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    let at_64 = |row: usize| median(&rates[row][2]).per_second;
    println!();
    println!(
        "At 64 writers, by one fsync per message: {:.1} times with 1 shard, {:.1} times with 4.",
        at_64(2) / at_64(1),
        at_64(3) / at_64(1)
    );
}

fn rate(mut latencies: Vec<Duration>, took: Duration) -> Rate {
    latencies.sort_unstable();
    Rate {
        per_second: latencies.len() as f64 / took.as_secs_f64(),
        p99: latencies[latencies.len() * 99 / 100],
    }
}

/// Writes and `fdatasync`s, each writer in a file of its own that was written once before.
fn raw(folder: &Path, writers: usize, time: Duration) -> Rate {
    let slots = 256;
    let files: Vec<File> = (0..writers)
        .map(|writer| {
            let path = folder.join(writer.to_string());
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(path)
                .unwrap();
            file.write_all_at(&vec![0; MESSAGE * slots], 0).unwrap();
            file.sync_all().unwrap();
            file
        })
        .collect();
    threads(files, time, |file, number| {
        let at = (number as usize % slots * MESSAGE) as u64;
        file.write_all_at(&[b'x'; MESSAGE], at).unwrap();
        file.sync_data().unwrap();
    })
}

/// As a Maildir is written: a new file, its `fsync`, its final name, and the folder's `fsync`.
fn file_per_message(folder: &Path, writers: usize, time: Duration) -> Rate {
    for name in ["tmp", "new"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    let folders: Vec<(PathBuf, usize)> = (0..writers)
        .map(|writer| (folder.to_owned(), writer))
        .collect();
    threads(folders, time, |(folder, writer), number| {
        let name = format!("{writer}.{number}");
        let path = folder.join("tmp").join(&name);
        let mut file = File::create_new(&path).unwrap();
        file.write_all(&[b'x'; MESSAGE]).unwrap();
        file.sync_all().unwrap();
        std::fs::rename(&path, folder.join("new").join(&name)).unwrap();
        File::open(folder.join("new")).unwrap().sync_all().unwrap();
    })
}

fn threads<T: Send>(
    writers: Vec<T>,
    time: Duration,
    write: impl Fn(&T, u64) + Copy + Send,
) -> Rate {
    let begun = Instant::now();
    let latencies = std::thread::scope(|scope| {
        let running: Vec<_> = writers
            .into_iter()
            .map(|writer| {
                scope.spawn(move || {
                    let mut latencies = Vec::new();
                    while begun.elapsed() < time {
                        let one = Instant::now();
                        write(&writer, latencies.len() as u64);
                        latencies.push(one.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    rate(latencies, begun.elapsed())
}

/// Appends through the store, spool and all, each writer into an account of its own.
fn stored(folder: &Path, shards: u16, writers: usize, time: Duration) -> Rate {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let options = EmbeddedOptions {
        shards,
        ..EmbeddedOptions::default()
    };
    let store = Stores::of(&Arc::new(EmbeddedStore::open(folder, options).unwrap()));
    runtime.block_on(async {
        let mut accounts = Vec::new();
        for writer in 0..writers {
            accounts.push(make_account(&store, writer).await);
        }
        let begun = Instant::now();
        let running: Vec<_> = accounts
            .into_iter()
            .map(|(account, inbox)| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    while begun.elapsed() < time {
                        let one = Instant::now();
                        append(&store, account, inbox).await;
                        latencies.push(one.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for writer in running {
            latencies.extend(writer.await.unwrap());
        }
        let rate = rate(latencies, begun.elapsed());
        store.close().await;
        rate
    })
}

async fn make_account(store: &Stores, number: usize) -> (AccountId, MailboxId) {
    let now = Timestamp(1_800_000_000);
    let account = NewAccount {
        address: format!("{number}@example.org"),
        verifiers: Verifiers {
            argon2id: String::new(),
            scram_sha256: ScramKeys {
                salt: vec![0; 16],
                iterations: 4096,
                stored_key: [0; 32],
                server_key: [0; 32],
            },
        },
        ladder: Ladder::new(now),
    };
    let id = store.accounts.create(account, now).await.unwrap();
    (id, store.mail.mailbox(id, "INBOX").await.unwrap().id)
}

async fn append(store: &Stores, account: AccountId, mailbox: MailboxId) {
    let mut spool = store.mail.spool().await.unwrap();
    spool.write(&[b'x'; MESSAGE]).await.unwrap();
    let message = NewMessage {
        mailbox,
        flags: Flags::default(),
        internal_date: Timestamp(1_800_000_000),
        internal_offset: 0,
        index: Vec::new(),
        body: spool,
    };
    store.mail.append(account, vec![message]).await.unwrap();
}
