"""The package's floors, the size of its modules, and what importing it costs."""

import ast
import re
import subprocess
import sys

import pytest

import lmtutorial
from lmtutorial.experiments import PACKAGE, imported_modules

ROWS = re.split(r"\n(?=\S)", lmtutorial.__doc__)  # of the package's map, and what stands around it
FLOORS = [names for row in ROWS if (names := set(re.findall(r"``(\w+)``", row)))]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
FILES = sorted({*PACKAGE.rglob("*.py")} - {PACKAGE / "__init__.py"})  # a module is a file, or a folder of them
MODULE = {path: path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
MODULES = sorted(set(MODULE.values()))
IMPORTS = {
    name: {other for path in FILES if MODULE[path] == name for other in imported_modules(path.read_text("utf-8"))}
    - {name}
    for name in MODULES
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_its_own_floor_and_lower_ones(name):
    assert name in FLOOR, f"say on which floor {name} stands"
    assert {other for other in IMPORTS[name] if FLOOR[other] > FLOOR[name]} == set()


def test_imports_make_no_circle():
    left = dict(IMPORTS)
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert not left


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_has_at_most_350_lines(path):
    assert len(path.read_text("utf-8").splitlines()) <= 350


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_imports_a_backend_when_it_is_imported(path):
    tree = ast.parse(path.read_text("utf-8"))
    names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in names if name} & {"tensorflow", "jax", "torch"}


def test_the_ground_floor_works_without_keras():
    code = "import sys; sys.modules['keras'] = None; import lmtutorial." + ", lmtutorial.".join(FLOORS[0])
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import lmtutorial; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "{'lmtutorial'}"


def test_the_packages_map_names_every_module():
    assert sorted(re.findall(r"``(\w+)``", lmtutorial.__doc__)) == MODULES
