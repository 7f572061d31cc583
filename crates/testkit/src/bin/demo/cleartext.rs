//! The step that tries to log in without TLS, in front of the reader.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::show::line;
use crate::stage::Ports;

/// A password nobody has. It is the demo's own, and the server never looks at it.
const MADE_UP: &str = "swordfish";

/// Speaks to `port` in the clear, shows both sides, and answers the server's last reply.
fn dialogue(port: u16, commands: &[String]) -> Result<String, String> {
    let trouble = |why: std::io::Error| format!("port {port}: {why}");
    let mut stream = TcpStream::connect(Ports::address(port)).map_err(trouble)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .map_err(trouble)?;
    let mut replies = BufReader::new(stream.try_clone().map_err(trouble)?);
    let mut reply = String::new();
    let mut read = |reply: &mut String| {
        reply.clear();
        replies.read_line(reply).map_err(trouble)?;
        line(&format!("S: {}", reply.trim_end()));
        Ok::<_, String>(())
    };
    read(&mut reply)?;
    for command in commands {
        line(&format!("C: {command}"));
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .map_err(trouble)?;
        read(&mut reply)?;
    }
    Ok(reply)
}

/// Offers a password on the three cleartext ports.
///
/// # Errors
/// One of them did not refuse as it must.
pub(crate) fn offer_password(ports: &Ports, login: &str) -> Result<(), String> {
    for (port, commands, expected) in [
        (
            ports.imap,
            vec![format!("a LOGIN {login} {MADE_UP}")],
            "a NO [PRIVACYREQUIRED]",
        ),
        (ports.pop3, vec![format!("USER {login}")], "-ERR"),
        (
            ports.submission,
            vec!["AUTH PLAIN AGEAYg==".to_owned()],
            "53",
        ),
    ] {
        let reply = dialogue(port, &commands)?;
        if !reply.starts_with(expected) {
            return Err(format!(
                "port {port} answered {reply:?}; {expected:?} was due"
            ));
        }
        println!();
    }
    Ok(())
}
