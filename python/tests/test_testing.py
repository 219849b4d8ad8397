"""The fixture for pytest, and `pounce.testing`."""

import pathlib
import shutil
import subprocess
import sys
import urllib.request

import apps as applications
import pounce
import pounce.testing


def read(url):
    with urllib.request.urlopen(url) as response:
        return response.read()


def test_the_fixture_serves_until_the_end_of_the_test(pounce_server):
    first = pounce_server(applications.hello)
    second = pounce_server(applications.hello, root_path="/api")
    assert first != second
    assert read(first) == read(second) == b"hello"


def test_served_is_the_same_as_a_context_manager():
    with pounce.testing.served(applications.hello) as url:
        assert read(url) == b"hello"


def test_another_distribution_with_the_same_package_is_named(tmp_path):
    package = pathlib.Path(pounce.__file__).parent
    # As pip leaves it: files of one overwrite those of the other.
    shutil.copytree(package, tmp_path / "pounce", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name, version in (("pounce", "1.0"), ("pounce_server", "0.1.0")):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
        (info / "top_level.txt").write_text("pounce\n")
        (info / "RECORD").write_text("pounce/__init__.py,,\n")
    for program in ("import pounce", "import runpy; runpy.run_module('pounce', run_name='__main__')"):
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"
        ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
        assert "belongs to pounce-server and to pounce, which overwrite" in ran.stderr, ran.stderr
