"""What tests of several modules share: a cache each, real texts, further Pythons, a web server, make's targets."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("lmtutorial", deadline=None)  # a busy machine is no failure
settings.register_profile("long", deadline=None, max_examples=10_000)  # `make fuzz` asks for it
settings.load_profile("lmtutorial")

ROOT = Path(__file__).parents[1]
TARGETS = {*re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.M)[1].split()}
REAL_DATA = Path(os.environ.get("LMTUTORIAL_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The test's own cache folder, not there yet; no folder of data unless the test names one."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LMTUTORIAL_CACHE", str(folder))
    monkeypatch.delenv("LMTUTORIAL_DATA", raising=False)
    return folder


@pytest.fixture(scope="session")
def real_data():
    """The folder of real texts, for LMTUTORIAL_DATA."""
    if not (REAL_DATA / "tinyshakespeare.txt.gz").is_file():
        pytest.skip("needs the network or a folder of texts, LMTUTORIAL_DATA")
    return REAL_DATA


def start_python(code, *arguments, env=None):
    """Start `code` in a Python of its own, with `arguments` in `sys.argv[1:]` and `env` added to the environment."""
    command = [sys.executable, "-W", "always", "-c", code, *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | (env or {}), **streams)


@pytest.fixture
def run_python():
    """Run code in a Python for each environment, at once, for (output, errors, exit code); none outlives the test."""

    def run(code, *arguments, envs=({},)):
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(start_python(code, *arguments, env=env)) for env in envs]
            for process in processes:
                stack.callback(process.kill)
            return [(*process.communicate(timeout=1200), process.returncode) for process in processes]

    return run


class Site:
    """A web server: `pages` maps a path to its body; those in `short` end after half of it; `asked` lists requests.

    While `gather` is a barrier, an answer waits until as many requests as it has parties have arrived.
    """

    def __init__(self):
        self.pages, self.short, self.asked, self.gather = {}, set(), [], None
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append(self.path)
                if site.gather:
                    site.gather.wait(timeout=30)
                body = site.pages.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if self.path in site.short else body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def no_proxy(monkeypatch):
    """Ask this machine directly, even where the web is reached through a proxy."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def site(no_proxy):
    """A web server on this machine, running."""
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def nowhere(no_proxy):
    """The address of a port on this machine where nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
