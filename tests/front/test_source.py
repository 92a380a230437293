"""The source that is found is that of the very function, or none."""

from __future__ import annotations

import functools
import importlib
import linecache
import textwrap
import threading
import types

import numpy as np
import pytest

import functad as fd
from functad.errors import StructureError
from functad.front import definitions
from functad.front.calls import _CELLS, route, twin
from functad.front.definitions import definition
from functad.front.twin import twin_of

MODULES = ["ast", "collections", "dataclasses", "enum", "fractions", "functools", "inspect", "random", "statistics"]


def functions(module):
    """The functions of a module and of its classes."""
    found, todo = {}, [module]
    while todo:
        for value in list(vars(todo.pop()).values()):
            f = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            f = f.fget if isinstance(f, property) else f
            if isinstance(f, types.FunctionType) and f.__code__.co_filename == module.__file__:
                found[f.__code__] = f
            elif isinstance(value, type) and value.__module__ == module.__name__ and value not in todo:
                todo.append(value)
    return list(found.values())


@pytest.mark.one_in(12)
@pytest.mark.parametrize("name", MODULES)
def test_each_function_of_the_standard_library_is_found_and_has_both_twins(name):
    found = functions(importlib.import_module(name))
    assert len(found) > 10
    for f in found:
        assert definition(f.__code__, f.__globals__) is not None, f
        assert twin_of(f, _CELLS.__getitem__) is not None, f
        assert twin_of(f, _CELLS.__getitem__, staged=True) is not None, f


def written(tmp_path, text, name="user"):
    """A module of this text."""
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(text))
    linecache.checkcache(str(path))
    names = {"__name__": name}
    exec(compile(path.read_text(), str(path), "exec"), names)
    return path, names


def test_a_file_that_was_edited_since_is_not_taken_for_what_runs(tmp_path):
    path, names = written(tmp_path, "def f(x):\n    return x + 1\n")
    assert twin(names["f"])(1) == 2
    path, edited = written(tmp_path, "def g(x):\n    return x + 1\n", "other")
    path.write_text("def g(x):\n    return x + 2\n")
    linecache.checkcache(str(path))
    assert definition(edited["g"].__code__, edited) is None
    assert route(edited["g"]) is edited["g"] and twin(edited["g"])(1) == 2


def test_code_without_source_runs_as_it_is():
    names = {}
    exec("def f(x):\n    return [x]\n", names)
    assert route(names["f"]) is names["f"] and twin(names["f"])(1) == [1]
    assert twin(repr) is repr


def test_lambdas_on_one_line_are_told_apart():
    f, g = (lambda x: x + 1), (lambda x: x * 2)
    assert twin(f)(5) == 6 and twin(g)(5) == 10
    assert twin(f) is not f and twin(g) is not g


class Base:
    def __init__(self, x):
        self.__x = x

    def value(self):
        return self.__x


class Derived(Base):
    def __init__(self, x, *, more=1):
        super().__init__(x)
        self.__x = more

    def value(self):
        return super().value(), self.__x, __class__.__name__  # type: ignore[name-defined]


def decorated(f):
    @functools.wraps(f)
    def inner(*args, **kwargs):
        return f(*args, **kwargs)

    return inner


@decorated
def fibonacci(n: int, *, base: tuple[int, int] = (0, 1)) -> int:
    return base[n] if n < 2 else fibonacci(n - 1, base=base) + fibonacci(n - 2)


def test_methods_closures_recursion_and_decorators():
    assert twin(Derived(2, more=3).value)() == (2, 3, "Derived")
    assert type(route(Derived)(2)) is Derived and route(Derived)(2, more=5).value() == (2, 5, "Derived")
    assert twin(fibonacci)(10) == 55
    count = 0

    def counted(xs, *rest, key=None, **more):
        nonlocal count
        count += 1
        total = 0
        for i, x in enumerate(xs):
            if x is None:
                continue
            total += x * i
        else:
            total += 100
        return total, rest, key, {k: v + 1 for k, v in more.items()}, [y[0] for y in (xs, xs)]

    assert twin(counted)([1, 2, 3], 4, key=5, six=6) == counted([1, 2, 3], 4, key=5, six=6)
    assert count == 2
    assert twin(counted).__name__ == "counted" and twin(counted).__qualname__ == counted.__qualname__


def test_defaults_that_are_assigned_later_and_globals_that_change():
    def f(x, y=1):
        return x + y

    assert twin(f)(1) == 2
    f.__defaults__ = (5,)
    assert twin(f)(1) == 6


def test_generators_and_coroutines_keep_their_control_flow():
    def squares(n):
        for i in range(n):
            received = yield i * i
            if received:
                yield received

    assert list(twin(squares)(4)) == [0, 1, 4, 9]


def test_an_error_in_a_twin_has_the_users_line():
    def fails(x):
        y = len(x)
        return y / 0

    with pytest.raises(ZeroDivisionError) as found:
        twin(fails)([1])
    entry = found.traceback[-1]
    assert str(entry.path) == __file__ and "return y / 0" in str(entry.statement)


def test_an_error_where_there_is_no_source_says_so():
    names = {"np": np}
    exec("def f(x):\n    y = np.zeros(2)\n    y[0] = x\n    return y[0]\n", names)
    with pytest.raises(Exception) as found:
        fd.grad(names["f"])(1.0)
    (note,) = found.value.__notes__
    assert note.startswith(
        "there is no source of f (<string>), so functad runs it as it is: np.zeros, math.sin, if, for and while"
    )
    assert note.endswith("use functad.numpy's")


def test_an_error_at_pythons_prompt_says_where_to_write():
    exec(
        compile("def f(x):\n    y = np.zeros(2)\n    y[0] = x\n    return y[0]\n", "<stdin>", "exec"),
        names := {"np": np},
    )
    with pytest.raises(Exception) as found:
        fd.grad(names["f"])(1.0)
    (note,) = found.value.__notes__
    assert note.endswith("write it in a file, a notebook or IPython: Python's own prompt keeps no source before 3.13")


def test_the_text_of_a_twin():
    def f(x):
        if x > 0:
            return x
        return -x

    text = fd.front.source(f)
    assert "('_functad_result',))" in text and "_functad_c1 = _functad_branch(" in text
    assert fd.front.source(f, staged=False).splitlines()[1].strip() == "if x > 0:"
    with pytest.raises(StructureError, match="there is no source of <built-in function len>"):
        fd.front.source(len)


def test_the_text_of_a_loop_is_whole():
    def f(x):
        for i in range(100):
            x = x / i
        return x

    lines = fd.front.source(f).splitlines()
    assert lines[0] == "def f(x):" and "            i = _functad_c1.item()" in lines


def test_files_are_forgotten_while_threads_look_at_others(tmp_path, monkeypatch):
    monkeypatch.setattr(definitions, "MOST_FILES", 2)
    made = [written(tmp_path, f"def f(x):\n    return x + {k}\n", f"module_{k}")[1]["f"] for k in range(6)]
    wrong = []

    def work():
        for _ in range(20):
            for k, f in enumerate(made):
                found = definition(f.__code__, f.__globals__)
                if found is None or found.node.name != "f" or f(0) != k:
                    wrong.append(k)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(definitions._files) <= 2 + len(threads)


def test_plain_code_in_threads():
    def f(x):
        y = np.zeros(3)
        for i in range(3):
            y[i] = x * i if x > 0 else -x
        return np.sum(y * y)

    found = {}

    def work(k):
        found[k] = [fd.grad(f)(float(k)), fd.jit(fd.grad(f))(float(k)), fd.vmap(f)(np.array([k, -k]) * 1.0)[0]]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: [10.0 * k, 10.0 * k, 5.0 * k * k] for k in range(1, 5)}
