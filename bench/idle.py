#!/usr/bin/env python3
"""Memory per idle IMAPS connection: opens connections, logs in, starts IDLE, and compares the server's
proportional set size (all its processes) before and after.

    bench/idle.py --name pillarboxd --pid PID --port PORT --login LOGIN --password PASSWORD --connections 2000
"""
import argparse
import asyncio
import pathlib
import resource
import ssl
import time


def family(pid):
    """The process and all that descend from it."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        child, rest = text.split(" (", 1)
        children.setdefault(int(rest.rsplit(") ", 1)[1].split()[1]), []).append(int(child))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def memory_kib(pid):
    """Proportional set size without file mappings: what the connections cost, shared pages counted once."""
    total = 0
    for member in family(pid):
        try:
            rollup = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss_Anon:"))
    return total


async def reply(reader, tag):
    while True:
        line = await asyncio.wait_for(reader.readline(), 60)
        if not line:
            raise SystemExit("the server closed a connection")
        if line.startswith(tag):
            return line


async def connect(arguments, context):
    reader, writer = await asyncio.open_connection("127.0.0.1", arguments.port, ssl=context, limit=4096)
    await reply(reader, b"* OK")
    for tag, command in [(b"a", f"LOGIN {arguments.login} {arguments.password}"), (b"b", "SELECT INBOX")]:
        writer.write(tag + b" " + command.encode() + b"\r\n")
        answer = await reply(reader, tag)
        if not answer.startswith(tag + b" OK"):
            raise SystemExit(f"the server said {answer!r}")
    writer.write(b"c IDLE\r\n")
    await reply(reader, b"+")
    return reader, writer


async def main(arguments):
    limit = arguments.connections + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, limit), hard), hard))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the server's memory is measured, not its identity
    # The first connections make the server load what it needs once; they are not counted.
    open_connections = [await connect(arguments, context) for _ in range(20)]
    time.sleep(1)
    before = memory_kib(arguments.pid)
    started = time.monotonic()
    gate = asyncio.Semaphore(32)

    async def one():
        async with gate:
            open_connections.append(await connect(arguments, context))

    await asyncio.gather(*(one() for _ in range(arguments.connections)))
    took = time.monotonic() - started
    await asyncio.sleep(arguments.settle)
    after = memory_kib(arguments.pid)
    each = (after - before) / arguments.connections
    print(
        f"{arguments.name:12} {arguments.connections} idle IMAPS connections: {each:.1f} KiB each "
        f"({before} -> {after} KiB), {arguments.connections / took:.0f} logins/s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--login", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--settle", type=float, default=5, help="seconds to wait before the last reading")
    asyncio.run(main(parser.parse_args()))
