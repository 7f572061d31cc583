//! `pillarboxd store`: looks after the stored mail while the server is stopped.

use std::process::ExitCode;

use anyhow::Context;
use pillarbox_server::{Settings, storage};
use pillarbox_store::{EmbeddedStore, Report, ShardReport};

use crate::cli::Store;
use crate::output;

/// Runs one of the commands. Answers failure where something is damaged.
pub(crate) async fn run(settings: Settings, command: Store) -> anyhow::Result<ExitCode> {
    let folder = storage::folder(&settings);
    let report = tokio::task::spawn_blocking(move || match command {
        Store::Verify => EmbeddedStore::verify(&folder),
        Store::RebuildIndex => EmbeddedStore::rebuild_index(&folder),
    })
    .await?
    .context("stop the server first, if it runs")?;
    output::write(describe(&report).as_bytes())?;
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn describe(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .shards
        .iter()
        .map(|shard| {
            vec![
                shard.shard.to_string(),
                shard.segments.to_string(),
                shard.records.to_string(),
                shard.contents.to_string(),
                shard.octets.to_string(),
                state(shard),
            ]
        })
        .collect();
    let mut text = output::table(
        &[
            "SHARD", "SEGMENTS", "RECORDS", "MESSAGES", "OCTETS", "STATE",
        ],
        &rows,
    );
    for damage in report.shards.iter().flat_map(|shard| &shard.damage) {
        text.push_str(&format!("{damage}\n"));
    }
    text.push_str(if report.is_sound() {
        "nothing is damaged\n"
    } else {
        "something is damaged: restore the files above from a backup, then run \"pillarboxd store rebuild-index\"\n"
    });
    text
}

fn state(shard: &ShardReport) -> String {
    match (shard.damage.len(), shard.torn_tail) {
        (0, false) => "sound".to_owned(),
        (0, true) => "sound; ends in a write that was never acknowledged".to_owned(),
        (count, _) => format!("{count} damaged"),
    }
}
