"""Training on several devices and processes: each computes its share of every batch, and all keep the same weights.

This is data parallelism through Keras' distribution API, on JAX. Every process runs the same command, on one machine or
many, and learns who it is from Keras' environment variables: `KERAS_DISTRIBUTION_JOB_ADDRESSES` (host and port of the
first process), `KERAS_DISTRIBUTION_NUM_PROCESSES` and `KERAS_DISTRIBUTION_PROCESS_ID`. Only the first one writes.
"""

import os

import keras
import numpy as np

from lmtutorial.errors import InputError

ADDRESSES, PROCESSES, ID = (f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"))


def join() -> None:
    """Join the processes that the environment names, if any, and let all devices share in what is trained from now on.

    To be called before anything is computed; waits for the other processes.

    Raises:
        InputError: the environment names some of the variables only, or the backend is not JAX.
    """
    given = [name for name in (ADDRESSES, PROCESSES, ID) if os.environ.get(name)]
    on_jax = keras.backend.backend() == "jax"
    if given and not on_jax:
        raise InputError(f"{given[0]} is set, and training on several processes needs JAX: set KERAS_BACKEND=jax")
    if 0 < len(given) < 3:
        raise InputError(f"several processes need all of {ADDRESSES}, {PROCESSES} and {ID}; set is {', '.join(given)}")
    if given:
        if not 0 <= _number(ID) < _number(PROCESSES):
            raise InputError(f"{ID} must be from 0 to {_number(PROCESSES) - 1}; got {_number(ID)}")
        keras.distribution.initialize()
    if on_jax and _devices() > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def is_first() -> bool:
    """Whether this process is the one that writes and reports: the first, or the only one."""
    return _process()[0] == 0


def share(batch: np.ndarray) -> np.ndarray:
    """Return this process' rows of a batch (B, …): all of them where it is the only one.

    Raises:
        InputError: the devices cannot have equal shares.
    """
    if keras.distribution.distribution() is None:
        return batch
    if len(batch) % _devices():
        raise InputError(f"{len(batch)} windows cannot be shared equally by {_devices()} devices; change the batch")
    process, processes = _process()
    return np.split(batch, processes)[process]


def agree(name: str, value: int) -> None:
    """Compare a value with the other processes'.

    Raises:
        InputError: they differ, in every process.
    """
    if _process()[1] > 1:
        from jax.experimental import multihost_utils

        values = np.ravel(multihost_utils.process_allgather(np.asarray(value)))
        if len(set(values.tolist())) > 1:
            raise InputError(f"the processes differ in {name}: {', '.join(map(str, values))}; they must share a folder")


def _number(name: str) -> int:
    try:
        return int(os.environ[name])
    except ValueError:
        raise InputError(f"{name} must be a number; got {os.environ[name]!r}") from None


def _devices() -> int:
    """Return the number of devices of all processes."""
    return len(keras.distribution.list_devices())


def _process() -> tuple[int, int]:
    """Return the number of this process, and of how many it is one."""
    if keras.distribution.distribution() is None:
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()
