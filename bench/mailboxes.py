#!/usr/bin/env python3
"""What the size of a mailbox costs: memory of each session that is idle in it, and the time of SELECT and NOOP.
Prints one row of a Markdown table for the INBOX of user0@example.org as it is; start the server anew after filling it,
since a server keeps memory that it once needed.

    bench/mailboxes.py --port PORT --password PASSWORD --fill --messages 20000
    bench/mailboxes.py --name pillarboxd --pid PID --port PORT --password PASSWORD
"""
import argparse
import asyncio
import ssl
import statistics
import time

from processes import allow_files, memory_kib

HEADER = """| server | messages | sessions | KiB a session | SELECT ms | NOOP ms |
|---|---:|---:|---:|---:|---:|"""
MESSAGE = b"From: a@example.org\r\nSubject: of no interest\r\n\r\nhello\r\n"
# One COPY of this many messages at most: a server may have a limit of time for one command.
COPIED_AT_ONCE = 50_000


class Session:
    """One connection, logged in, with INBOX selected."""

    @classmethod
    async def open(cls, arguments, context):
        session = cls()
        session.exists = 0
        session.reader, session.writer = await asyncio.open_connection(
            "127.0.0.1", arguments.port, ssl=context, limit=4096
        )
        await session.line()
        await session.command(f"LOGIN user0@example.org {arguments.password}")
        await session.command("SELECT INBOX")
        return session

    async def line(self):
        line = await asyncio.wait_for(self.reader.readline(), 600)
        if not line:
            raise SystemExit("the server closed a connection")
        return line

    async def command(self, command, literal=None):
        """Runs a command and answers how many seconds it took."""
        started = time.monotonic()
        self.writer.write(b"t " + command.encode() + b"\r\n")
        if literal is not None:
            await self.line()
            self.writer.write(literal + b"\r\n")
        while not (line := await self.line()).startswith(b"t "):
            if line.startswith(b"* ") and line.endswith(b" EXISTS\r\n"):
                self.exists = int(line.split()[1])
        if not line.startswith(b"t OK"):
            raise SystemExit(f"the server said {line!r} to {command[:60]}")
        return time.monotonic() - started

    async def idle(self):
        self.writer.write(b"t IDLE\r\n")
        while not (await self.line()).startswith(b"+"):
            pass

    async def close(self):
        await self.command("LOGOUT")
        self.writer.close()


async def fill(session, have, wanted):
    if have == 0 and wanted > 0:
        await session.command(f"APPEND INBOX {{{len(MESSAGE)}}}", MESSAGE)
        have = 1
    while have < wanted:
        count = min(have, wanted - have, COPIED_AT_ONCE)
        await session.command(f"COPY 1:{count} INBOX")
        have += count
    await session.command("NOOP")


async def main(arguments):
    allow_files(arguments.connections)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the server's memory is measured, not its identity
    if arguments.fill:
        session = await Session.open(arguments, context)
        await fill(session, session.exists, arguments.messages)
        return await session.close()
    # The first sessions bring in what the server keeps of this mailbox for all of them.
    sessions = [await Session.open(arguments, context) for _ in range(20)]
    for opened in sessions:
        await opened.idle()
    await asyncio.sleep(arguments.settle)
    before = memory_kib(arguments.pid)
    more = [await Session.open(arguments, context) for _ in range(arguments.connections)]
    for opened in more:
        await opened.idle()
    await asyncio.sleep(arguments.settle)
    each = (memory_kib(arguments.pid) - before) / len(more)
    session = await Session.open(arguments, context)
    select = statistics.median([await session.command("SELECT INBOX") for _ in range(21)])
    noop = statistics.median([await session.command("NOOP") for _ in range(101)])
    print(
        f"| {arguments.name} | {session.exists} | {len(more)} | {each:.1f} | {select * 1000:.2f} | {noop * 1000:.2f} |"
    )
    for opened in sessions + more:
        opened.writer.transport.abort()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--header", action="store_true", help="print the table's header and nothing else")
    parser.add_argument("--name", default="server")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--port", type=int)
    parser.add_argument("--password")
    parser.add_argument("--fill", action="store_true", help="fill INBOX up to --messages, and measure nothing")
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--settle", type=float, default=3, help="seconds to wait before a reading of memory")
    given = parser.parse_args()
    if given.header:
        print(HEADER)
    else:
        asyncio.run(main(given))
