"""Parallel loops: every block once, from any number of Python threads, in forked children and without a pool."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from functad import config
from functad.lower.llvm.link import link
from functad.lower.llvm.target import Target, emit_object
from functad.lower.native import threads

# data is an int64 array: body adds i + 1 to data[i] for each block i.
COUNT = (
    threads.RUNTIME_TEXT
    + """
define internal void @body(ptr %data, i64 %first, i64 %count) {
entry:
  %end = add i64 %first, %count
  br label %test
test:
  %i = phi i64 [ %first, %entry ], [ %next, %more ]
  %going = icmp slt i64 %i, %end
  br i1 %going, label %more, label %done
more:
  %at = getelementptr i64, ptr %data, i64 %i
  %old = load i64, ptr %at
  %next = add i64 %i, 1
  %new = add i64 %old, %next
  store i64 %new, ptr %at
  br label %test
done:
  ret void
}

define void @run(ptr %data, i64 %blocks) {
  call void @functad_parallel(ptr @body, ptr %data, i64 %blocks)
  ret void
}
"""
)

# data is a struct { int64 ids[64]; }: each block writes the address of its thread's errno.
WHO = (
    threads.RUNTIME_TEXT
    + """
declare ptr @__errno_location()
declare i32 @usleep(i32)

define internal void @body(ptr %data, i64 %first, i64 %count) {
entry:
  %end = add i64 %first, %count
  %me = call ptr @__errno_location()
  br label %test
test:
  %i = phi i64 [ %first, %entry ], [ %next, %more ]
  %going = icmp slt i64 %i, %end
  br i1 %going, label %more, label %done
more:
  call i32 @usleep(i32 1000)
  %at = getelementptr ptr, ptr %data, i64 %i
  store ptr %me, ptr %at
  %next = add i64 %i, 1
  br label %test
done:
  ret void
}

define void @run(ptr %data, i64 %blocks) {
  call void @functad_parallel(ptr @body, ptr %data, i64 %blocks)
  ret void
}
"""
)


def runner(text):
    library = link(emit_object(text, Target.host()), threads.parallel_symbols(), ["run"])
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(library.address("run"))
    run.library = library
    return run


@pytest.fixture(params=[1, 2, 5])
def team(request):
    """The number of threads; afterwards the one of the environment again."""
    with config.threads(request.param):
        yield request.param
    threads.configure()


@pytest.mark.parametrize("blocks", [0, 1, 2, 3, 7, 64, 10_000])
def test_every_block_once(team, blocks):
    run = runner(COUNT)
    assert threads.num_threads() == team
    data = np.zeros(blocks + 2, np.int64)
    run(data.ctypes.data + 8, blocks)
    assert data[0] == data[-1] == 0
    assert np.array_equal(data[1:-1], np.arange(1, blocks + 1))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tells threads apart by the address of errno")
def test_threads_are_used(team):
    run = runner(WHO)
    data = np.zeros(40, np.int64)
    run(data.ctypes.data, 40)
    assert 0 not in data and len(set(data.tolist())) == team


def test_negative_number_of_blocks_is_none():
    data = np.zeros(4, np.int64)
    runner(COUNT)(data.ctypes.data, -1)
    assert not data.any()


def test_several_python_threads_at_once():
    with config.threads(2):
        run = runner(COUNT)
    arrays = [np.zeros(500, np.int64) for _ in range(8)]

    def work(data):
        for _ in range(50):
            run(data.ctypes.data, 500)

    workers = [threading.Thread(target=work, args=(data,)) for data in arrays]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    threads.configure()
    assert all(np.array_equal(data, 50 * np.arange(1, 501)) for data in arrays)


def test_numba_s_number_of_threads_stays_as_it_was():
    pool = threads._load_omppool()
    if pool is None:
        pytest.skip("this Numba has no OpenMP pool")
    get = ctypes.CFUNCTYPE(ctypes.c_int)(pool.get_num_threads)
    ctypes.CFUNCTYPE(None, ctypes.c_int)(pool.set_num_threads)(1)
    with config.threads(2):
        run = runner(COUNT)
    data = np.zeros(100, np.int64)
    run(data.ctypes.data, 100)
    threads.configure()
    assert get() == 1 and data.all()


def test_serial_without_a_pool(monkeypatch):
    monkeypatch.setattr(threads, "_load_omppool", lambda: None)
    threads._start.cache_clear()
    try:
        with config.threads(2):
            run = runner(COUNT)
        assert threads.num_threads() == 1
        data = np.zeros(100, np.int64)
        run(data.ctypes.data, 100)
        assert np.array_equal(data, np.arange(1, 101))
    finally:
        threads._start.cache_clear()
        monkeypatch.undo()
        threads.configure()


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("variable", "value"), [("FUNCTAD_THREADS", "3"), ("OMP_NUM_THREADS", "3"), ("OMP_NUM_THREADS", "3,2")]
)
def test_the_environment_sets_the_number(variable, value):
    script = "from functad.lower.native import threads; threads.configure(); print(threads.num_threads())"
    environment = {k: v for k, v in os.environ.items() if k not in ("FUNCTAD_THREADS", "OMP_NUM_THREADS")} | {
        variable: value
    }
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "3"


def test_numba_is_not_imported():
    script = (
        "import sys; from functad.lower.native.threads import parallel_symbols; parallel_symbols(); "
        "print('numba' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


@pytest.mark.deep
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_runs_serially():
    # The parent has used the pool; in the child its threads are gone, and a parallel region would end the process or
    # hang.
    script = f"""
import os, sys
sys.path.insert(0, {os.getcwd()!r})
import numpy as np
from functad import config
from functad.lower.native import threads
from tests.lower.test_native_threads import COUNT, runner

with config.threads(2):
    run = runner(COUNT)
data = np.zeros(100, np.int64)
run(data.ctypes.data, 100)
child = os.fork()
if child == 0:
    run(data.ctypes.data, 100)
    with config.threads(2):
        again = runner(COUNT)  # compiles in the child, too
    again(data.ctypes.data, 100)
    os._exit(0 if np.array_equal(data, 3 * np.arange(1, 101)) and threads.num_threads() == 1 else 1)
_, status = os.waitpid(child, 0)
run(data.ctypes.data, 100)
print(status, np.array_equal(data, 2 * np.arange(1, 101)), threads.num_threads())
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["0", "True", "2"], result.stderr
