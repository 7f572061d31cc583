"""What a server costs, over all its processes, as the kernel counts it."""
import os
import pathlib
import resource

TICK = os.sysconf("SC_CLK_TCK")


def _stats():
    """For each process: parent, and processor time in ticks, that of its dead children included."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        fields = text.rsplit(") ", 1)[1].split()
        yield int(text.split(" ", 1)[0]), int(fields[1]), sum(int(field) for field in fields[11:15])


def family(pid):
    """The process and all that descend from it, with their processor time in seconds."""
    children, ticks = {}, {}
    for process, parent, used in _stats():
        children.setdefault(parent, []).append(process)
        ticks[process] = used
    found, todo = {}, [pid]
    while todo:
        process = todo.pop()
        found[process] = ticks.get(process, 0) / TICK
        todo += children.get(process, [])
    return found


def cpu_seconds(pid):
    """Processor time of the process and all that descend or descended from it."""
    return sum(family(pid).values())


def memory_kib(pid):
    """Proportional set size without file mappings: what connections cost, shared pages counted once. What
    the kernel holds for a process or a socket is not in it."""
    total = 0
    for member in family(pid):
        try:
            rollup = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss_Anon:"))
    return total


def allow_files(count):
    """Raises the limit of open files to what `count` connections need, as far as it may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + 200), hard), hard))
