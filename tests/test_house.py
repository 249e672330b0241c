"""The files around the package: environments, lock, Makefile, citation, notebooks' form."""

import importlib.util
import re
import subprocess
import tomllib

import nbformat
import pytest
import yaml
from conftest import ROOT, TARGETS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
CHAPTERS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def requirements(*groups):
    return [Requirement(text) for group in groups for text in group]


def pinned(text):
    """The versions that a lock or constraints file names, by package."""
    found = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, flags=re.M):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_environment_yml_is_what_pyproject_says():
    spec = importlib.util.spec_from_file_location("environment", ROOT / ".ci" / "environment.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert (ROOT / "environment.yml").read_text("utf-8") == generator.environment(ROOT / "pyproject.toml")


def test_every_extra_is_locked_but_the_tools_of_chapter_7():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert {*re.search(r"^LOCKED := (.*)$", makefile, flags=re.M)[1].split(), "tools"} == EXTRAS.keys()


def test_the_lock_satisfies_pyproject():
    locked = pinned((ROOT / "requirements.lock").read_text("utf-8"))
    extras = (packages for name, packages in EXTRAS.items() if name != "tools")
    for requirement in requirements(PROJECT["dependencies"], *extras):
        versions = locked[canonicalize_name(requirement.name)]
        assert all(version in requirement.specifier for version in versions), requirement


def test_every_locked_package_has_a_hash_and_no_address():
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in text
    for entry in re.split(r"\n(?=[a-zA-Z0-9])", text.strip()):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_a_colab_machine_satisfies_every_range_as_it_is(real_data):
    files = sorted(real_data.glob("colab-constraints-*.txt"))
    if not files:
        pytest.skip("needs Colab's versions: a file colab-constraints-*.txt in the folder of texts")
    colab = pinned(files[-1].read_text("utf-8"))
    needed = requirements(PROJECT["dependencies"], *(EXTRAS[name] for name in EXTRAS if name != "dev"))
    there = [requirement for requirement in needed if canonicalize_name(requirement.name) in colab]
    assert len(there) > 5
    for requirement in there:
        assert colab[canonicalize_name(requirement.name)][0] in requirement.specifier, requirement


def test_make_help_lists_every_target():
    listed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert [target for target in TARGETS if f"make {target} " not in listed] == []


def test_no_tracked_file_names_a_registry_or_a_path_of_this_machine():
    names = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
    pattern = "|".join(re.escape(name) for name in [*names, str(ROOT)])
    found = subprocess.run(["git", "grep", "-lIE", pattern], cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (1, "")  # 1: git found nothing


@pytest.fixture(params=CHAPTERS)
def chapter(request):
    return nbformat.read(ROOT / "notebooks" / request.param, 4)


def tagged(chapter, tag):
    return [cell for cell in chapter.cells if tag in cell.metadata.get("tags", [])]


def test_a_chapter_is_a_valid_notebook_without_outputs(chapter):
    nbformat.validate(chapter)
    assert not [cell.id for cell in chapter.cells if cell.get("outputs") or cell.get("execution_count")]


def test_a_chapter_opens_with_title_question_needs_and_time(chapter):
    opening = chapter.cells[0].source
    assert opening.startswith("# ")
    for promise in ("**The question of this chapter.**", "**What you need.**", "**Run time.**"):
        assert promise in opening


def test_the_second_cell_holds_at_most_eight_parameters_with_a_seed(chapter):
    assert tagged(chapter, "parameters") == [chapter.cells[1]]
    names = re.findall(r"^(\w+) =", chapter.cells[1].source, flags=re.M)
    assert "seed" in names
    assert len(names) <= 8


def test_the_third_cell_installs_the_package_from_the_configured_repository_on_colab_only(chapter):
    lines = chapter.cells[2].source.splitlines()
    install = next(i for i, line in enumerate(lines) if "%pip" in line)
    assert lines[install - 1] == 'if "google.colab" in sys.modules:'
    assert f'git+{CONFIG["repository"]["url"]}"' in lines[install]
    assert "%pip" not in "".join(cell.source for cell in chapter.cells[3:])


def test_every_figure_has_alternative_text(chapter):
    drawing = [cell for cell in chapter.cells if cell.cell_type == "code" and "plt.subplots" in cell.source]
    assert drawing
    for cell in drawing:
        assert len(cell.metadata["mystnb"]["image"]["alt"]) > 40, cell.id


def test_every_exercise_has_a_folded_solution_with_the_same_check(chapter):
    checks = [re.findall(r'exercises\.check\("([^"]+)"', cell.source)[0] for cell in tagged(chapter, "exercise")]
    solutions = tagged(chapter, "solution")
    assert len(checks) >= 5
    assert [re.findall(r'exercises\.check\("([^"]+)"', cell.source)[0] for cell in solutions] == checks
    assert all("hide-cell" in cell.metadata.tags for cell in solutions)


def glued_and_quoted(chapter):
    """Return the names that a chapter glues, and those that it quotes from itself."""
    glued = {name for cell in chapter.cells for name in re.findall(r'glue\(\s*"([^"]+)"', cell.source)}
    texts = (cell.source for cell in chapter.cells if cell.cell_type == "markdown")
    return glued, {name for text in texts for name in re.findall(r"\{glue:text\}`([^:`]+)", text)}


def quoted_elsewhere(name):
    """Return the names that the book's pages quote from the chapter `name`."""
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "book").glob("*.md"))
    return set(re.findall(rf"\{{glue:text\}}`[^`]*/{name}::([^:`]+)", pages))


@pytest.mark.parametrize("name", CHAPTERS)
def test_what_is_quoted_was_computed_and_what_a_chapter_glues_is_quoted_somewhere(name):
    glued, quoted = glued_and_quoted(nbformat.read(ROOT / "notebooks" / name, 4))
    assert glued == quoted | quoted_elsewhere(name)
