"""Tests of `lmtutorial.files`, and of the file of tensors that is written as they are."""

import errno
import fcntl
import os
import stat
import sys

import numpy as np
import pytest

from lmtutorial.errors import InputError
from lmtutorial.files import alone, read_bytes, read_text, sha256, write_atomically
from lmtutorial.tensorfiles import read_safetensors, write_safetensors

OLD, NEW = b"old", b"n" * 100_000


def fail_with(number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


def test_sha256_is_the_published_one_of_abc():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_written_whole_in_a_folder_made_for_it(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "file", NEW)
    assert (tmp_path / "a" / "b" / "file").read_bytes() == NEW


def test_a_file_is_replaced(tmp_path):
    (tmp_path / "file").write_bytes(NEW)
    write_atomically(tmp_path / "file", OLD)
    assert (tmp_path / "file").read_bytes() == OLD


def test_other_users_may_read_a_written_file(tmp_path):
    write_atomically(tmp_path / "file", NEW)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["folder", "file"])
def test_the_second_is_refused_until_the_first_has_left(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with alone(tmp_path / name), pytest.raises(InputError, match="busy"), alone(tmp_path / name, "busy"):
        pass
    with alone(tmp_path / name, "busy"):
        pass


@pytest.mark.parametrize("place", ["drive", "system"])
def test_where_there_are_no_locks_all_are_let_in(tmp_path, monkeypatch, place):
    if place == "drive":
        monkeypatch.setattr(fcntl, "flock", fail_with(errno.ENOLCK))
    else:
        monkeypatch.setitem(sys.modules, "fcntl", None)
    with alone(tmp_path, "busy"), alone(tmp_path, "busy"):
        pass


def write_tensor(path, content):
    write_safetensors(path, {"a": (len(content),)}, lambda _: np.frombuffer(content, np.uint8))


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("write", [write_atomically, write_tensor])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, write):
    (tmp_path / "file").write_bytes(OLD)
    monkeypatch.setattr(os, step, fail_with(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", NEW)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": OLD}


def test_an_interruption_while_a_file_is_written_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_bytes(OLD)

    def read(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_safetensors(tmp_path / "file", {"a": (3,)}, read)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": OLD}


def test_a_file_of_tensors_is_written_in_a_folder_made_for_it(tmp_path):
    write_tensor(tmp_path / "a" / "file", OLD)
    assert read_safetensors(tmp_path / "a" / "file")["a"].read().tolist() == list(OLD)
    assert stat.S_IMODE((tmp_path / "a" / "file").stat().st_mode) == 0o644


def test_a_file_too_large_for_the_system_leaves_the_old_file_and_nothing_else(tmp_path, run_python):
    (tmp_path / "file").write_bytes(OLD)
    code = """
import resource, sys
from pathlib import Path
from lmtutorial.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomically(Path(sys.argv[1]), b"n" * 100_000)
"""
    [(_, errors, status)] = run_python(code, tmp_path / "file")
    assert status == 1
    assert "File too large" in errors
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": OLD}


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path, run_python):
    (tmp_path / "file").write_bytes(OLD)
    code = """
import os, sys
from pathlib import Path
from lmtutorial import files
os.fsync = lambda _: os._exit(9)
files.write_atomically(Path(sys.argv[1]), b"n" * 100_000)
"""
    [(_, _, status)] = run_python(code, tmp_path / "file")
    assert status == 9
    assert (tmp_path / "file").read_bytes() == OLD


def test_processes_that_write_at_once_never_show_a_part(tmp_path, run_python):
    code = """
import sys
from pathlib import Path
from lmtutorial.files import write_atomically
for i in range(30):
    write_atomically(Path(sys.argv[1]), b"%d" % (i % 10) * 300_000)
    content = Path(sys.argv[1]).read_bytes()
    assert len(content) == 300_000 and len(set(content)) == 1, "a part was seen"
"""
    results = run_python(code, tmp_path / "file", envs=[{}, {}])
    assert [(errors, status) for _, errors, status in results] == [("", 0)] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_in_the_place_of_the_folder_is_an_os_error(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(OSError, match="File exists"):
        write_atomically(tmp_path / "file" / "inside", NEW)


def test_bytes_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"\0\xff")
    assert read_bytes(tmp_path / "file") == b"\0\xff"


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"^there is no file .*file$"):
        read_bytes(tmp_path / "file")


def test_a_directory_for_a_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="is a directory; a file is needed"):
        read_bytes(tmp_path)


def test_a_file_that_cannot_be_read_is_an_input_error(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        read_bytes(tmp_path / "file" / "inside")


def test_text_is_read_with_its_line_ends(tmp_path):
    (tmp_path / "file").write_bytes("词\r\nline\rend\n".encode())
    assert read_text(tmp_path / "file") == "词\r\nline\rend\n"


def test_a_file_that_is_not_utf8_is_an_input_error_that_names_the_byte(tmp_path):
    (tmp_path / "file").write_bytes("café".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8 text: byte 3 is 0xe9"):
        read_text(tmp_path / "file")


def test_a_binary_file_is_an_input_error(tmp_path):
    (tmp_path / "file").write_bytes(b"GIF\0\0")
    with pytest.raises(InputError, match="is a binary file"):
        read_text(tmp_path / "file")
