#!/usr/bin/env python3
"""Messages stored durably per second, through TLS: connections that log in once, each to an account of its
own, and send messages of 10 KiB one after the other, the next when the last was confirmed. Prints one row of
a Markdown table for each number of connections.

    bench/load.py append --name Dovecot --pid PID --port PORT --password PASSWORD --connections 1 8 64
    bench/load.py submission ...
    bench/load.py disk --folder FOLDER     the same octets, written and synced with no server at all

The accounts are user0@example.org, user1@example.org, ...
"""
import argparse
import asyncio
import base64
import os
import ssl
import time

from processes import allow_files, cpu_seconds

HEADER = """| | connections | messages/s | median ms | 99 % ms | server CPU ms each | client CPU ms each |
|---|---:|---:|---:|---:|---:|---:|"""
SIZE = 10 * 1024


def message(address):
    head = (
        f"From: {address}\r\nTo: {address}\r\nSubject: measured\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
        f"Message-ID: <{os.urandom(12).hex()}@example.org>\r\n\r\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog, and over him goes the next one.\r\n"
    body = line * (SIZE // len(line) + 1)
    return head + body[: SIZE - len(head) - 2].rstrip(b"\r\n") + b"\r\n"


class Peer:
    """One connection that answers line by line."""

    def __init__(self, reader, writer, address):
        self.reader, self.writer, self.address = reader, writer, address

    async def say(self, data, expected):
        if data:
            self.writer.write(data)
        return await self.hear(expected)

    async def hear(self, expected):
        """The next line that starts with `expected`, after any untagged or continued ones."""
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 60)
            if line.startswith(expected):
                return line
            if not line or not (line.startswith(b"* ") or line[3:4] == b"-"):
                raise SystemExit(f"the server said {line!r}, not {expected!r}")


class Append(Peer):
    async def start(self, password):
        await self.hear(b"* OK")
        await self.say(f"a LOGIN {self.address} {password}\r\n".encode(), b"a OK")

    async def store(self):
        octets = message(self.address)
        # The kind of literal every server takes at any size, so that both do the same work.
        await self.say(b"b APPEND INBOX {%d}\r\n" % len(octets), b"+")
        await self.say(octets + b"\r\n", b"b OK")


class Submission(Peer):
    async def start(self, password):
        await self.hear(b"220 ")
        await self.say(b"EHLO client.example.org\r\n", b"250 ")
        token = base64.b64encode(f"\0{self.address}\0{password}".encode())
        await self.say(b"AUTH PLAIN " + token + b"\r\n", b"235 ")

    async def store(self):
        address = self.address.encode()
        self.writer.write(b"MAIL FROM:<" + address + b">\r\nRCPT TO:<" + address + b">\r\nDATA\r\n")
        await self.hear(b"250 ")
        await self.hear(b"250 ")
        await self.hear(b"354 ")
        await self.say(message(self.address) + b".\r\n", b"250 ")


async def measure(arguments, kind, connections):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the server's pace is measured, not its identity
    peers = []
    for number in range(connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", arguments.port, ssl=context)
        peers.append(kind(reader, writer, f"user{number}@example.org"))
        await peers[-1].start(arguments.password)
        await peers[-1].store()  # the first makes the mailbox
    server, client, started = cpu_seconds(arguments.pid), time.process_time(), time.monotonic()
    end = started + arguments.seconds
    waits = []

    async def run(peer):
        while time.monotonic() < end:
            began = time.monotonic()
            await peer.store()
            waits.append(time.monotonic() - began)

    await asyncio.gather(*(run(peer) for peer in peers))
    took = time.monotonic() - started
    server, client = cpu_seconds(arguments.pid) - server, time.process_time() - client
    row(arguments.name, connections, waits, took, f"{1000 * server / len(waits):.2f}", client)
    for peer in peers:
        peer.writer.transport.abort()


def row(name, connections, waits, took, server, client):
    waits.sort()
    median, late = (1000 * waits[int(len(waits) * part)] for part in (0.5, 0.99))
    print(
        f"| {name} | {connections} | {len(waits) / took:.0f} | {median:.1f} | {late:.1f} "
        f"| {server} | {1000 * client / len(waits):.2f} |",
        flush=True,
    )


def disk(arguments):
    """What the disk allows to one who syncs after each message."""
    octets = message("user0@example.org")
    path = os.path.join(arguments.folder, "disk")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    client, started, waits = time.process_time(), time.monotonic(), []
    while time.monotonic() - started < arguments.seconds:
        began = time.monotonic()
        os.write(file, octets)
        os.fdatasync(file)
        waits.append(time.monotonic() - began)
    took = time.monotonic() - started
    os.close(file)
    os.unlink(path)
    row(arguments.name, 1, waits, took, "-", time.process_time() - client)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["append", "submission", "disk", "header"])
    parser.add_argument("--name", default="write + fdatasync, no server")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--port", type=int)
    parser.add_argument("--password")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=4, help="how long each row takes")
    parser.add_argument("--folder", help="where to write without a server")
    given = parser.parse_args()
    if given.what == "header":
        print(HEADER)
    elif given.what == "disk":
        disk(given)
    else:
        allow_files(max(given.connections))
        for count in given.connections:
            asyncio.run(measure(given, {"append": Append, "submission": Submission}[given.what], count))
