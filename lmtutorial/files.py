"""Files that are whole or absent: written to a temporary name, then moved; and one process at a time."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lmtutorial.errors import InputError


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file to write, which takes the place of `path` at the end, so that no reader ever sees a part.

    A crash, a full disk, an error meanwhile or a second process doing the same leaves the old file or the new one.

    Raises:
        OSError: the folder cannot be made or written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` as `replacing` does, with its errors."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def alone(path: Path, busy: str | None = None) -> Iterator[None]:
    """Wait until no other process is here with the same file or folder: two would write together what belongs to it.

    Where the system has no such locks (Windows, some network drives), all are let in.

    Raises:
        InputError: `busy`, instead of waiting, where another process is here.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except OSError as error:
            if isinstance(error, BlockingIOError):
                raise InputError(busy) from None
        yield
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes:
    """Return the content of the file `path`.

    Raises:
        InputError: there is no such file, it is a directory, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a directory; a file is needed") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def read_text(path: Path) -> str:
    """Return the text of the UTF-8 file `path`, its line ends as they are.

    Raises:
        InputError: as `read_bytes`, or the file holds something other than UTF-8 text.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: byte {error.start} is {content[error.start]:#04x}") from None
    if "\0" in text:
        raise InputError(f"{path} is a binary file (it holds zero bytes); text is needed")
    return text


def read_json(path: Path) -> Any:
    """Return what the JSON file `path` holds.

    Raises:
        InputError: as `read_text`, or the file is no JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None


def read_yaml(path: Path) -> Any:
    """Return what the YAML file `path` holds.

    Raises:
        InputError: as `read_text`, or the file is no YAML.
    """
    import yaml

    text = read_text(path)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a day that there is not, and the like
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
