"""Faults: processes killed at any moment, full and read-only disks, a clock set back, two at once (`make faults`).

After each, what was complete is intact, and the operation, started again, ends as if it had never been disturbed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from faults.operations import OPERATIONS

KILLS = 20
everything = pytest.mark.parametrize("name", list(OPERATIONS))


def start(name, place):
    """Start an operation in a process group of its own, and wait until its imports are done."""
    environment = os.environ | {"LMTUTORIAL_CACHE": str(place / "cache"), "LMTUTORIAL_DATA": str(place)}
    process = subprocess.Popen(
        [sys.executable, "-c", OPERATIONS[name].program, place],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


def finish(process):
    """Return the exit code and what was said on standard error."""
    _, said = process.communicate(timeout=600)
    return process.returncode, said


@pytest.fixture(scope="module")
def beginnings(tmp_path_factory):
    """Return a function: for an operation, a folder as it is before, what comes out undisturbed, and its seconds."""
    made = {}

    def beginning(name):
        if name not in made:
            before, place = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("whole")
            OPERATIONS[name].prepare(before)
            shutil.copytree(before, place, dirs_exist_ok=True)
            process, began = start(name, place), time.monotonic()
            code, said = finish(process)
            assert code == 0, said
            made[name] = before, OPERATIONS[name].outcome(place), time.monotonic() - began
        return made[name]

    return beginning


def kill(name, place, seconds, seed):
    """Start an operation and kill it with all that it started, at a random moment of the `seconds` that it takes."""
    process = start(name, place)
    time.sleep(np.random.default_rng(seed).random() * seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def ends_undisturbed(name, place, whole):
    """Check that the operation, started once more, ends as if nothing had happened."""
    code, said = finish(start(name, place))
    assert code == 0, said
    assert OPERATIONS[name].outcome(place) == whole


@pytest.mark.parametrize("seed", range(KILLS))
@everything
def test_killed_at_a_random_moment(name, seed, beginnings, tmp_path):
    before, whole, seconds = beginnings(name)
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    kill(name, tmp_path, seconds, seed)
    OPERATIONS[name].outcome(tmp_path)  # raises where something is damaged
    ends_undisturbed(name, tmp_path, whole)


@everything
def test_two_at_once(name, beginnings, tmp_path):
    before, whole, _ = beginnings(name)
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    for process in [start(name, tmp_path), start(name, tmp_path)]:
        code, said = finish(process)
        assert code in (0, 1, 2), said
        assert "Traceback" not in said
    ends_undisturbed(name, tmp_path, whole)


def as_root(*command):
    subprocess.run([*(["sudo", "-n"] if os.geteuid() else []), *command], check=True)


@pytest.fixture
def disk(tmp_path):
    """Return a folder on a disk of its own, and a function that mounts it again with other options."""
    place = tmp_path / "disk"
    place.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", place)
    yield place, lambda options: as_root("mount", "-o", f"remount,{options}", place)
    as_root("umount", "--lazy", place)


@pytest.mark.parametrize("fault", ["full", "read-only"])
@everything
def test_a_disk_that_takes_nothing(name, fault, beginnings, disk):
    before, whole, _ = beginnings(name)
    place, remount = disk
    shutil.copytree(before, place, dirs_exist_ok=True)
    if fault == "full":
        subprocess.run(["dd", "if=/dev/zero", f"of={place / 'filler'}", "bs=4k"], stderr=subprocess.DEVNULL)
    else:
        remount("ro")
    code, said = finish(start(name, place))
    assert "Traceback" not in said or name in ("train", "execute"), said  # which a caller of the package gets
    assert name == "fetch" or code != 0
    assert OPERATIONS[name].outcome(place) == {}
    remount("rw")
    (place / "filler").unlink(missing_ok=True)
    ends_undisturbed(name, place, whole)


@everything
def test_killed_and_then_the_clock_is_set_back(name, beginnings, tmp_path):
    before, whole, seconds = beginnings(name)
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    kill(name, tmp_path, seconds, KILLS)
    tomorrow = time.time() + 86_400
    for path in tmp_path.rglob("*"):
        os.utime(path, (tomorrow, tomorrow), follow_symlinks=False)
    ends_undisturbed(name, tmp_path, whole)
