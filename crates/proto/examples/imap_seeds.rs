//! Writes the examples of every IMAP command into a folder, a file each, as seeds for fuzzing the server.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| std::io::Error::other("usage: imap_seeds FOLDER"))?;
    std::fs::create_dir_all(&folder)?;
    for (number, example) in pillarbox_proto::imap::server::examples().enumerate() {
        let seed = format!("x {example}\r\n");
        std::fs::write(folder.join(format!("example-{number:03}")), seed)?;
    }
    Ok(())
}
