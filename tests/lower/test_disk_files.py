"""Files and directories of the persistent cache that are not as they should be, and several processes with one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

from functad import config
from functad.errors import CacheWarning
from functad.lower.disk import directory as directories
from functad.lower.disk.command import cache_command
from functad.lower.disk.directory import Directory
from functad.lower.disk.entries import packed, unpacked
from tests.lower.on_disk import X, first_call, loss

# -- entries that are not what they should be --------------------------------------------------------------------------


def entry_files(cache, kind):
    return [f.path for f in Directory(str(cache)).files() if f.label.startswith(kind)]


@pytest.mark.parametrize("kind", ["code", "loss"])
def test_a_flipped_bit_anywhere_makes_a_miss(cache, kind):
    first_call(loss, X)
    (path,) = entry_files(cache, kind)
    whole, key = path.read_bytes(), path.stem
    assert unpacked(key, whole) is not None
    for place in range(len(whole)):
        bad = bytearray(whole)
        bad[place] ^= 1 << place % 8
        assert unpacked(key, bytes(bad)) is None, place
    for length in range(0, len(whole), 7):
        assert unpacked(key, whole[:length]) is None
    assert unpacked(key, whole + b"\0") is None


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", ["code", "loss"])
def test_a_file_that_is_no_entry_is_a_miss_and_is_replaced(cache, kind):
    expected, _ = first_call(loss, X)
    (path,) = entry_files(cache, kind)
    whole = path.read_bytes()
    flipped = bytes([*whole[:-1], whole[-1] ^ 1])
    for bad in (b"", b"\0" * len(whole), whole[: len(whole) // 2], packed("another key", kind, b"{}"), flipped):
        path.write_bytes(bad)
        assert Directory(str(cache)).read(path.stem) is None
    result, made = first_call(loss, X)
    assert result == expected and made.loaded == (kind == "loss") and path.read_bytes() == whole


@pytest.mark.one_in(5)
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{'calls': [('a', 'functad.no', '', ())]}", b"\0("])
def test_a_record_of_something_else_is_a_miss(cache, content):
    expected, _ = first_call(loss, X)
    (path,) = entry_files(cache, "loss")
    path.write_bytes(packed(path.stem, "loss", content))
    result, made = first_call(loss, X)
    assert result == expected and made.loaded == 1 and "passes" in made.stages


@pytest.mark.deep
def test_what_cannot_be_read_is_a_miss(cache):
    expected, _ = first_call(loss, X)
    (path,) = entry_files(cache, "code")
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)

    def refused():
        assert Directory(str(cache)).read(path.stem) is None
        return True

    path.symlink_to(elsewhere)
    assert refused() and first_call(loss, X)[0] == expected
    path.unlink()
    path.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        assert refused() and first_call(loss, X)[0] == expected
    path.rmdir()
    os.mkfifo(path)
    assert refused()
    path.unlink()
    elsewhere.rename(path)
    path.chmod(0o620)
    assert refused()
    path.chmod(0o600)
    assert Directory(str(cache)).read(path.stem) is not None


# -- directories -------------------------------------------------------------------------------------------------------


def test_it_is_made_for_this_user_alone(cache):
    first_call(loss, X)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert {f.path.stat().st_mode & 0o777 for f in Directory(str(cache)).files()} == {0o600}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("how", ["others may write", "the group may write", "somebody else's"])
def test_a_directory_of_others_is_not_loaded_from(cache, monkeypatch, how):
    expected, _ = first_call(loss, X)
    directories._directory.cache_clear()
    if how == "somebody else's":
        monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
    else:
        cache.chmod(0o777 if how == "others may write" else 0o770)
    with pytest.warns(CacheWarning, match="not this user's own, or others may write") as seen:
        for _ in range(2):
            result, made = first_call(loss, X)
            assert result == expected and made.loaded == 0
    assert len(seen) == 1 and str(cache) in str(seen[0].message) and seen[0].filename.endswith("on_disk.py")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("how", ["no directory", "read only", "full disk"])
def test_a_directory_that_cannot_be_written_to_warns_once(tmp_path, monkeypatch, how):
    def refuse(*_args, **_kwargs):
        raise OSError(30, "Read-only file system")

    class Full:
        """A file on a disk that is full."""

        def __init__(self, descriptor):
            os.close(descriptor)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, content):
            raise OSError(28, "No space left on device")

    path = tmp_path / "cache"
    if how == "no directory":
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "cache"
    elif how == "read only":
        monkeypatch.setattr(directories.tempfile, "mkstemp", refuse)
    else:
        opened = open
        monkeypatch.setattr(directories, "open", lambda f, mode: (Full if mode == "wb" else opened)(f), raising=False)
    with config.debug(False), config.cache(str(path)), pytest.warns(CacheWarning, match="cannot be written to") as seen:
        for n in (3, 4):
            result, made = first_call(lambda x, n=n: np.sum(x**n), X)
            assert result == pytest.approx(np.sum(X**n)) and made.compiled == 1
    assert len(seen) == 1
    assert not path.exists() or not list(path.iterdir())


@pytest.mark.deep
def test_a_directory_that_can_only_be_read_is_read(cache, monkeypatch):
    first_call(loss, X)

    def refuse(*_args, **_kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(directories.tempfile, "mkstemp", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CacheWarning)
        assert first_call(loss, X)[1].loaded == 1


def test_what_was_used_longest_ago_goes_first(tmp_path):
    where = Directory(str(tmp_path / "cache"))
    with config.cache_bytes(10_000):
        for k in range(8):
            where.write(f"{k:040}", f"entry {k}", bytes(1000))
            os.utime(where._place(f"{k:040}"), (k, k))
        assert where.read(f"{0:040}") is not None  # used now
        for k in range(8, 11):
            where.write(f"{k:040}", f"entry {k}", bytes(1000))
    files = where.files()
    assert sum(f.bytes for f in files) <= 10_000
    kept = {f.label for f in files}
    assert {"entry 0", "entry 7", "entry 8", "entry 10"} <= kept and not kept & {"entry 1", "entry 2"}


def test_the_command_lists_and_clears(cache, capsys):
    first_call(loss, X)
    assert cache_command(["list"]) == 0
    listed = capsys.readouterr().out
    assert "loss(f64[40])" in listed and re.search(r"KiB  code\n", listed) and "of at most 1.0 GiB" in listed
    assert cache_command([]) == 0
    count = int(re.search(r"(\d+) entries", capsys.readouterr().out)[1])
    assert count == len(listed.splitlines()) - 1
    assert cache_command(["clear"]) == 0 and f"{count} entries removed" in capsys.readouterr().out
    assert not list(cache.iterdir())
    assert cache_command(["burn"]) == 2 and "usage" in capsys.readouterr().out
    with config.cache(""):
        assert cache_command([]) == 1 and "FUNCTAD_CACHE_DIR" in capsys.readouterr().out


# -- processes ---------------------------------------------------------------------------------------------------------

SCRIPT = """
import mmap, sys
ballast = mmap.mmap(-1, int(sys.argv[1]) << 20)  # what is mapped later lies elsewhere
import numpy as np, functad as fd
X = np.linspace(0.1, 0.9, 40)
f = fd.jit(fd.value_and_grad(lambda x: np.sum(np.exp(-x * x) * np.sin(x)) + x[3] ** 2))
value, gradient = f(X)
print(value.hex(), gradient.tobytes().hex(), f.stats()[0].loaded, fd.jit(np.sin).lower(X).compile().address, id(np.sin))
"""


def in_process(script, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "FUNCTAD_DEBUG": "0", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.deep
def test_another_process_loads_it_at_other_addresses(tmp_path):
    """With another order of sets, too."""
    runs = [
        in_process(SCRIPT, size, FUNCTAD_CACHE_DIR=str(tmp_path / "cache"), PYTHONHASHSEED=seed).split()
        for size, seed in (("1", "1"), ("333", "2"))
    ]
    assert runs[0][:2] == runs[1][:2] and [r[2] for r in runs] == ["0", "1"]
    assert runs[0][3] != runs[1][3] and runs[0][4] != runs[1][4]


CROWD = """
import os, resource, sys, warnings
import numpy as np, functad as fd
import functad.lower.compile
X, gate = np.linspace(0.1, 0.9, 40), os.pipe()
children = []
for k in range(8):
    child = os.fork()
    if child == 0:
        os.close(gate[1])
        os.read(gate[0], 1)  # until all are there
        good = np.allclose(fd.jit(fd.grad(lambda x: np.sum(np.sin(x) ** 2)))(X), np.sin(2 * X), rtol=1e-12)
        os._exit(0 if good else 1)
    children.append(child)
os.close(gate[1])
print([os.waitpid(child, 0)[1] for child in children])
f = fd.jit(fd.grad(lambda x: np.sum(np.sin(x) ** 2)))
f(X)
before = set(os.listdir(os.environ["FUNCTAD_CACHE_DIR"]))
resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))  # no file grows beyond
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    for n in (3, 4):
        assert np.allclose(fd.jit(lambda x: np.sum(x**n))(X), np.sum(X**n))
print(f.stats()[0].loaded, [w.category.__name__ for w in seen])
print(all(os.path.getsize(os.path.join(os.environ["FUNCTAD_CACHE_DIR"], name)) for name in
    set(os.listdir(os.environ["FUNCTAD_CACHE_DIR"])) - before))
"""


@pytest.mark.deep
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that start at one time are forked")
def test_eight_processes_at_once_and_a_disk_that_takes_no_more(tmp_path):
    path = tmp_path / "cache"
    processes, loaded, whole = in_process(CROWD, FUNCTAD_CACHE_DIR=str(path)).splitlines()
    assert processes == str([0] * 8)
    assert loaded == "1 ['CacheWarning']" and whole == "True"
    names = sorted(p.name for p in path.iterdir())
    assert all(name.endswith(".functad") for name in names)
    for place in path.iterdir():
        assert unpacked(place.stem, place.read_bytes()) is not None
