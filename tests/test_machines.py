"""Machines unlike ours: the same commands where paths, locale, home, cores or backend are others."""

import os
import subprocess
import sys

import pytest

POEMS = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n\n白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。\n\n"
LMTUTORIAL = "import sys; from lmtutorial.cli import main; sys.exit(main(sys.argv[1:]))"
COMMANDS = [
    ["train", "nanogpt-cpu", "--data", "诗 集.txt", "--out", "运行 一", "--steps", "2"],
    ["eval", "--model", "运行 一", "--data", "诗 集.txt"],
    ["generate", "--model", "运行 一", "--data", "诗 集.txt", "--prompt", "床前", "--tokens", "20"],
    ["eval", "--model", "mkn3", "--level", "byte", "--data", "诗 集.txt"],
]
WITHOUT_TENSORFLOW = "import sys; sys.modules['tensorflow'] = None\n"
ON_ONE_CORE = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "beforehand"),
    [
        ({}, ""),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
        ({"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}, ""),
        ({}, ON_ONE_CORE),
        ({"KERAS_BACKEND": "jax"}, WITHOUT_TENSORFLOW),
    ],
    ids=["odd paths", "a locale without UTF-8", "a home that cannot be written", "one core", "JAX without TensorFlow"],
)
def test_a_text_is_counted_learned_scored_and_gone_on_with(environment, beforehand, tmp_path):
    folder = tmp_path / "我的 文件"
    folder.mkdir()
    (folder / "诗 集.txt").write_text(200 * POEMS, "utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in ("LMTUTORIAL_CACHE", "KERAS_BACKEND")}
    for command in COMMANDS:
        program = [sys.executable, "-c", beforehand + LMTUTORIAL, *command]
        done = subprocess.run(program, cwd=folder, env={**kept, **environment}, capture_output=True)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        assert b"Traceback" not in done.stderr
        assert done.stdout
