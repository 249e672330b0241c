"""Print environment.yml, for conda users, from pyproject.toml: `make lock` writes it, a test compares."""

import tomllib
from pathlib import Path

EXTRAS = ("tensorflow", "hub", "compression", "pretrained", "applications", "book")


def environment(pyproject: Path) -> str:
    """Return the text of environment.yml."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    packages = [*project["dependencies"], *(package for extra in EXTRAS for package in optional[extra])]
    lines = ["# Generated from pyproject.toml by `make lock`; edit that.", "name: lmtutorial"]
    lines += ["channels:", "  - conda-forge", "dependencies:", "  - python>=3.11,<3.14", "  - pip", "  - pip:"]
    return "\n".join([*lines, *(f"      - {package}" for package in packages), "      - -e .", ""])


if __name__ == "__main__":
    print(environment(Path("pyproject.toml")), end="")
