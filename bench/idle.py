#!/usr/bin/env python3
"""Memory per idle IMAPS connection: opens connections, logs in, opens INBOX, starts IDLE, and compares the
server's proportional set size (all its processes) before and after. Prints one row of a Markdown table.

    bench/idle.py --name pillarboxd --pid PID --port PORT --accounts 64 --password PASSWORD --connections 2000

The accounts are user0@example.org, user1@example.org, ..., taken in turn.
"""
import argparse
import asyncio
import ssl
import time

from processes import allow_files, cpu_seconds, family, memory_kib

HEADER = """| server | KiB each | MiB before | MiB with all | processes each | logins/s | server CPU ms per login |
|---|---:|---:|---:|---:|---:|---:|"""


async def reply(reader, tag):
    while True:
        line = await asyncio.wait_for(reader.readline(), 60)
        if not line:
            raise SystemExit("the server closed a connection")
        if line.startswith(tag):
            return line


async def connect(arguments, context, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", arguments.port, ssl=context, limit=4096)
    await reply(reader, b"* OK")
    login = f"LOGIN user{number % arguments.accounts}@example.org {arguments.password}"
    for tag, command in [(b"a", login), (b"b", "SELECT INBOX")]:
        writer.write(tag + b" " + command.encode() + b"\r\n")
        answer = await reply(reader, tag)
        if not answer.startswith(tag + b" OK"):
            raise SystemExit(f"the server said {answer!r}")
    writer.write(b"c IDLE\r\n")
    await reply(reader, b"+")
    return reader, writer


async def main(arguments):
    allow_files(arguments.connections)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the server's memory is measured, not its identity
    # Before the first connection: what the server loads when it is first used, and what it keeps of the
    # memory that checking passwords took, is shared out among the connections too.
    processes, before = len(family(arguments.pid)), memory_kib(arguments.pid)
    # The first login of each account makes its password known, at a price; it is not in the pace.
    open_connections = [await connect(arguments, context, number) for number in range(arguments.accounts)]
    cpu = cpu_seconds(arguments.pid)
    started = time.monotonic()
    gate = asyncio.Semaphore(32)

    async def one(number):
        async with gate:
            open_connections.append(await connect(arguments, context, number))

    await asyncio.gather(*(one(number) for number in range(arguments.accounts, arguments.connections)))
    took, timed = time.monotonic() - started, arguments.connections - arguments.accounts
    cpu = cpu_seconds(arguments.pid) - cpu
    await asyncio.sleep(arguments.settle)
    processes, after = len(family(arguments.pid)) - processes, memory_kib(arguments.pid)
    print(
        f"| {arguments.name} | {(after - before) / len(open_connections):.1f} | {before / 1024:.0f} "
        f"| {after / 1024:.0f} | {processes / len(open_connections):.2f} "
        f"| {timed / took:.0f} | {1000 * cpu / timed:.2f} |"
    )
    # All at once and without a goodbye: the server is stopped next.
    for _, writer in open_connections:
        writer.transport.abort()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--header", action="store_true", help="print the table's header and nothing else")
    parser.add_argument("--name", default="server")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--port", type=int)
    parser.add_argument("--accounts", type=int, default=64)
    parser.add_argument("--password")
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--settle", type=float, default=5, help="seconds to wait before the last reading")
    given = parser.parse_args()
    if given.header:
        print(HEADER)
    else:
        asyncio.run(main(given))
