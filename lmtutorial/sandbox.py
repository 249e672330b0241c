"""Programs that a model wrote, run where they can do little: a process of their own with limits on everything.

The kernel refuses what `resource` limits (processor time, memory, any byte written to a file, any new process), and
where it may also takes the network away and makes root nobody. An audit hook inside the interpreter ends the program
at the first try of a file, socket, process or signal. This holds what a language model writes by accident. It is no
prison for an attacker who knows it: run such programs on a machine of their own.
"""

import contextlib
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from lmtutorial.errors import InputError

FORBIDDEN, MOST_SECONDS, MEGABYTE = 97, 60, 2**20
LAUNCHER = r"""
import builtins, os, resource, sys, sysconfig
passed, seconds, memory = map(int, sys.argv[1:])
program = sys.stdin.read()
readable = tuple({os.path.realpath(path) + os.sep for path in (
    sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.getcwd(), "/usr/share/zoneinfo")})
try:
    import ctypes
    c = ctypes.CDLL(None)
    if c.unshare(0x40000000):  # a network of its own, which has no cards: as root,
        c.unshare(0x50000000)  # or as a user
    c.prctl(8, 1, 0, 0, 0)
except (ImportError, OSError, AttributeError):
    c = None
try:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    if c:  # nobody, who may read: Python itself may be in root's folder
        c.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(4, 4, 0, 0, 0, 0))
except (OSError, AttributeError):
    pass  # no root, nothing to give up
c = None
for name in [name for name in sys.modules if "ctypes" in name]:
    del sys.modules[name]
for limit, most in (("CPU", seconds + 1), ("AS", memory), ("FSIZE", 0), ("CORE", 0), ("NOFILE", 32), ("NPROC", 0)):
    try:
        resource.setrlimit(getattr(resource, "RLIMIT_" + limit), (most, most))
    except (OSError, ValueError, AttributeError):
        pass  # not every system has every limit
ends = ("socket.", "subprocess.", "ctypes.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system",
        "os.startfile", "os.kill", "signal.pthread_kill", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.ch",
        "os.lchmod", "os.link", "os.symlink", "os.truncate", "os.utime", "os.setxattr", "os.removexattr", "shutil.",
        "tempfile.", "pty.", "sqlite3.", "syslog.", "webbrowser.", "resource.", "fcntl.")
def watch(event, arguments, ends=ends, readable=readable, fspath=os.fspath, real=os.path.realpath, leave=os._exit,
          say=os.write, writing=os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, sep=os.sep):
    bad = event.startswith(ends) or event == "import" and "ctypes" in arguments[0]
    if event == "open" and not isinstance(arguments[0], int):
        path, mode, flags = arguments
        path = fspath(path)
        path = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
        written = bool(flags & writing) or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
        bad = written or not (real(path) + sep).startswith(readable)
    if bad:
        say(2, f"forbidden: {event} {str(arguments)[:100]}\n".encode("utf-8", "replace"))
        leave(97)
code = compile(program, "<program>", "exec")
for name in ("mkfifo", "mknod", "setsid", "setpgid", "setpgrp"):
    if hasattr(os, name):
        delattr(os, name)
sys.argv = ["program"]
names = {"__name__": "__main__", "__builtins__": builtins}
done, leave = os.write, os._exit
sys.addaudithook(watch)
del watch, readable, ends
exec(code, names)
sys.stdout.flush()
done(passed, b"passed")
leave(0)
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Args:
        kind: `passed` (it ran to its end), `failed` (an error, or it left before its end), `forbidden` (it tried what
            programs may not do), `time` or `output` (it was stopped at that limit).
        output: what it printed, errors too, at most as long as allowed.
        seconds: how long it took.
        exit_code: of its process; negative where a signal ended it.
    """

    kind: str
    output: str
    seconds: float
    exit_code: int

    @property
    def passed(self) -> bool:
        """Whether it ran to its end."""
        return self.kind == "passed"


def run(program: str, seconds: float = 5, megabytes: int = 256, output_bytes: int = 10_000) -> Outcome:
    """Run a Python program and say what became of it.

    It starts in an empty folder, which goes with it, and with an empty environment; it may read the standard library,
    compute, and print. Tests are part of the program: `assert` statements after what they test.

    Args:
        program: its text.
        seconds: on the clock, at most; of processor time, one more.
        megabytes: of memory, at most.
        output_bytes: that it may print, at most.

    Raises:
        InputError: a limit makes no sense, or this system has none (Windows).

    Example:
        >>> run("assert sorted([2, 1]) == [1, 2]").kind, run("import socket; socket.socket()").kind
        ('passed', 'forbidden')
    """
    if sys.platform == "win32":
        raise InputError("programs are run with limits on Linux and macOS only")
    if not 1 <= seconds <= MOST_SECONDS:
        raise InputError(f"a program gets from 1 to {MOST_SECONDS} seconds; got {seconds}")
    if megabytes < 64 or output_bytes < 1:
        raise InputError(f"a program needs 64 megabytes and a byte of output; got {megabytes} and {output_bytes}")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as text:
        os.chmod(folder, 0o555)
        text.write(program.encode("utf-8", "replace"))
        text.seek(0)
        told, passed = os.pipe()
        limits = [str(passed), str(math.ceil(seconds)), str(int(megabytes * MEGABYTE))]
        command = [sys.executable, "-I", "-B", "-u", "-X", "utf8", "-c", LAUNCHER, *limits]
        try:
            process = subprocess.Popen(
                command,
                stdin=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={},
                pass_fds=[passed],
                start_new_session=True,
            )
        except BaseException:
            os.close(told)
            raise
        finally:
            os.close(passed)
        try:
            kind, output = _watch(process, start + seconds, output_bytes)
        finally:
            _kill(process)
            process.stdout.close()
            with open(told, "rb") as pipe:
                os.set_blocking(pipe.fileno(), False)
                ended = pipe.read(6) == b"passed"
    if kind == "ended":
        kind = "passed" if ended and process.returncode == 0 else "failed"
        kind = "forbidden" if process.returncode == FORBIDDEN else kind
    return Outcome(kind, output.decode("utf-8", "replace"), time.monotonic() - start, process.returncode)


def _watch(process: subprocess.Popen, deadline: float, most: int) -> tuple[str, bytes]:
    """Read what a program prints until it ends or a limit is reached."""
    output, pipe = b"", process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                continue
            part = os.read(pipe, 65536)
            output += part
            if len(output) > most:
                return "output", output[:most]
            if not part:  # closed: it ended, or closed it and goes on
                try:
                    process.wait(max(deadline - time.monotonic(), 0))
                except subprocess.TimeoutExpired:
                    break
                return "ended", output
    return "time", output


def _kill(process: subprocess.Popen) -> None:
    """End a program, and all of its group, if there is anything left of it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
