"""Functions that functad wraps are copied and pickled as Python's are."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY, bind_all
from functad.core.seq import Seq
from functad.errors import StructureError, TracerConversionError
from functad.ir.printer import format_program
from functad.ir.program import Literal, is_frozen
from functad.ir.types import ArrayType, array_type
from functad.scipy import special
from functad.transforms.programs import trace_program


@functools.partial(fd.jit, static_argnums=1)
def scaled(x, n):
    return x * n


@fd.custom_jvp
def sine(x):
    return np.sin(x)


sine.defjvp(lambda primals, tangents: (sine(*primals), 2 * tangents[0]))


class Model:
    @fd.jit
    def method(self):
        return self


def cube(x):
    return x**3


def product(w, x):
    """Of a vector and a matrix."""
    return np.sum(np.tanh(x @ w)) * sine(w[0])


rate = 2.0
X, W = np.linspace(0.0, 1.0, 6).reshape(3, 2), np.array([0.5, -0.25])


@fd.custom_vjp
def clipped(x):
    return x


clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))


@fd.custom_jvp
def softplus(x):
    return np.log1p(np.exp(x))


@softplus.defjvp
def softplus_jvp(primals, tangents):
    return softplus(*primals), tangents[0] / (1 + np.exp(-primals[0]))


@dataclasses.dataclass
class Pair:
    a: object
    b: object = dataclasses.field(metadata={"static": True})


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}
copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
pickled = COPIES["pickle"]


def same(a, b):
    """Whether two containers of arrays have the same bits."""
    return all(fd.tree_map(lambda x, y: np.asarray(x).tobytes() == np.asarray(y).tobytes(), [a], [b]))


@copies
def test_what_a_module_has_under_its_name_is_its_own_copy(copied) -> None:
    scaled(1.0, 2)
    assert all([copied(f) is f for f in (scaled, sine, Model.method)])


def test_other_jitted_functions_are_made_again() -> None:
    f = fd.jit(functools.partial(scaled, n=3), static_argnames=(), fastmath=True)
    g = fd.jit(cube)
    assert f(2.0) == 6.0 and g(2.0) == 8.0
    again, same = pickled([f, g])
    assert again(2.0) == 6.0 and same(2.0) == 8.0 and "fast" in again.lower(2.0).compile().llvm


TRANSFORMS = {
    "grad": (fd.grad(product), (W, X)),
    "grad of several": (fd.grad(product, argnums=(0, 1)), (W, X)),
    "value_and_grad": (fd.value_and_grad(product), (W, X)),
    "jacfwd": (fd.jacfwd(cube), (X,)),
    "jacrev": (fd.jacrev(cube), (X,)),
    "jacobian": (fd.jacobian(cube), (X,)),
    "hessian": (fd.hessian(product), (W, X)),
    "vmap": (fd.vmap(product, in_axes=(None, 0)), (W, X[:, None])),
    "vmap of grad": (fd.vmap(fd.grad(cube)), (W,)),
    "checkpoint": (fd.checkpoint(cube, policy=fd.lax.checkpoint_policies.save_only_these_names("a")), (X,)),
    "jit of grad": (fd.jit(fd.grad(product)), (W, X)),
    "grad of jit": (fd.grad(fd.jit(product)), (W, X)),
    "make_ir": (lambda *a: str(fd.make_ir(product)(*a)), (W, X)),
    "ufunc": (fd.grad(np.sin), (1.0,)),
}
transforms = pytest.mark.parametrize(("f", "args"), TRANSFORMS.values(), ids=TRANSFORMS)


@transforms
def test_what_transforms_return(f, args) -> None:
    if not isinstance(f, type(cube)):
        assert copy.copy(f) is f and copy.deepcopy(f) is f
        assert same(pickled(f)(*args), f(*args))


def test_it_looks_like_the_function() -> None:
    slope = fd.grad(product)
    assert slope.__name__ == slope.__qualname__ == "product" and slope.__module__ == product.__module__
    assert slope.__wrapped__ is product and slope.__doc__ == "Of a vector and a matrix."
    assert str(inspect.signature(slope)) == "(w, x)" == str(inspect.signature(fd.jit(fd.vmap(slope))))
    assert repr(slope) == "<functad.grad of product>" and hash(slope) == hash(slope)


@pytest.mark.parametrize("module", [fd, fd.lax, fd.nn, fnp, fnp.linalg, special], ids=lambda m: m.__name__)
def test_public_functions(module) -> None:
    for name in set(getattr(module, "__all__", dir(module))) - {"test"}:
        f = getattr(module, name)
        if callable(f) and not name.startswith("_"):
            assert pickled(f) is f, name


def test_attributes_stay() -> None:
    f = fd.grad(cube)
    f.__name__, f.order = "slope", 3
    again = pickled(f)
    assert (again.__name__, again.order, again(2.0)) == ("slope", 3, 12.0)
    outer = fd.jit(f)
    assert outer.order == 3 and outer._f is f and pickled(outer).order == 3


def test_a_function_of_a_changed_name_is_found_under_that() -> None:
    global slope_of_cube
    slope_of_cube = fd.grad(cube)
    assert pickled(slope_of_cube) is not slope_of_cube
    slope_of_cube.__qualname__ = "slope_of_cube"
    assert pickled(slope_of_cube) is slope_of_cube


class Line:
    def __init__(self, slope):
        self.slope = slope
        self.fast, self.derivative = fd.jit(self.value), fd.grad(self.value)

    def value(self, x):
        return self.slope * x

    @fd.grad
    def root(self):
        return np.sqrt(self)

    @functools.partial(fd.grad, argnums=1)
    def square(self, x):
        return self.slope * x**2


def test_methods() -> None:
    line = Line(3.0)
    assert line.square(2.0) == 12.0 and Line.root(4.0) == 0.25
    assert line.square.__self__ is line and pickled(line.square)(2.0) == 12.0
    assert line.fast(1.0) == line.derivative(1.0) == 3.0
    for other in (copy.deepcopy(line), pickled(line)):
        other.slope = 5.0
        assert other.fast(1.0) == other.derivative(1.0) == 5.0
        assert line.fast(1.0) == line.derivative(1.0) == 3.0


DERIVATIVES = {
    "vjp": (lambda: fd.vjp(product, W, X)[1], (2.0,)),
    "vjp of containers": (lambda: fd.vjp(lambda p: {"y": p[0] * p[1]["b"]}, (W, {"b": W}))[1], ({"y": W},)),
    "vjp of integers": (lambda: fd.vjp(lambda x, n: (x * n, n), W, np.arange(2))[1], ((W, np.arange(2)),)),
    "vjp of a dataclass": (lambda: fd.vjp(lambda p: p.a * 2.0, Pair(W, "b"))[1], (W,)),
    "vjp of a loop": (
        lambda: fd.vjp(lambda x: fd.lax.while_loop(lambda c: c < 99, lambda c: c * c, x), 3.0)[1],
        (1.0,),
    ),
    "vjp of scan": (
        lambda: fd.vjp(lambda x: fd.lax.scan(lambda c, _: (c * x, c), x, length=4, checkpoint="sqrt"), 3.0)[1],
        ((1.0, np.ones(4)),),
    ),
    "vjp of jit": (lambda: fd.vjp(fd.jit(product), W, X)[1], (1.0,)),
    "vjp of rules": (lambda: fd.vjp(lambda x: clipped(x) * softplus(x), W)[1], (5 * W,)),
    "vjp of checkpoint": (lambda: fd.vjp(fd.checkpoint(product), W, X)[1], (1.0,)),
    "linearize": (lambda: fd.linearize(product, W, X)[1], (W, X)),
    "linearize of branches": (lambda: fd.linearize(lambda x: fd.lax.cond(x > 0, np.sin, np.cos, x), 1.0)[1], (1.0,)),
    "linear_transpose": (lambda: fd.linear_transpose(lambda x: {"y": x @ X.T}, W), ({"y": np.ones(3)},)),
    "in jit": (lambda: fd.jit(lambda w: fd.vjp(product, w, X)[1])(W), (1.0,)),
}


@pytest.mark.parametrize(("make", "args"), DERIVATIVES.values(), ids=DERIVATIVES)
def test_derivatives_are_pickled_by_value(make, args) -> None:
    derivative = make()
    assert copy.copy(derivative) is derivative and copy.deepcopy(derivative) is derivative
    again = pickled(derivative)
    assert type(again) is type(derivative) and same(again(*args), derivative(*args))
    assert same(pickled(again)(*args), derivative(*args))
    if not any(isinstance(r, Seq) for r in derivative.__reduce__()[1][2]):  # no literals of Programs
        assert same(fd.jit(again)(*args), fd.jit(derivative)(*args))


def test_derivatives_at_traced_values_are_not() -> None:
    with pytest.raises(TracerConversionError, match=r"derivative of a function at a traced value .*test_copies.py:\d+"):
        fd.grad(lambda x: pickle.dumps(fd.vjp(np.sin, x)[1]))(1.0)
    with pytest.raises(TracerConversionError, match=r"a traced f64\[\] cannot be pickled at .*test_copies.py:\d+"):
        fd.jit(lambda x: pickle.dumps(x))(1.0)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(fd.jit(lambda x: x))


PROGRAMS = [
    fd.make_ir(fd.grad(product))(W, X),
    fd.make_ir(lambda x: fd.lax.while_loop(lambda c: np.sum(c) < 9, lambda c: c + X, x))(X),
    fd.make_ir(fd.jit(product))(W, X),
    fd.make_ir(lambda x: fd.pure_callback(cube, x, x) + softplus(x))(W),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program) -> None:
    assert copy.copy(program) is program and copy.deepcopy(program) is program
    again = pickled(program)
    assert str(again) == str(program).replace("PythonJvp", "TracedJvp")
    assert format_program(again, locations=True) == format_program(program, locations=True).replace(
        "PythonJvp", "TracedJvp"
    )
    values = [np.full(t.shape, 0.5, t.dtype)[()] for t in program.in_types]
    assert same(list(run_program(again, values)), list(run_program(program, values)))
    for eqn in again.eqns:
        for atom in eqn.inputs:
            assert not (isinstance(atom, Literal) and isinstance(atom.value, np.ndarray)) or is_frozen(atom.value)


def test_programs_of_all_primitives() -> None:
    for primitive in REGISTRY.values():
        for sample in primitive.samples():
            types = [
                t if isinstance(t, ArrayType) else array_type(t.shape, t.dtype) for t in map(stated, sample.operands)
            ]
            program = trace_program(lambda *xs: list(bind_all(primitive, xs, sample.params)), types)
            assert str(pickled(program)) == str(program)


def stated(operand):
    return operand if isinstance(operand, ArrayType) else np.asarray(operand)


def test_rules_of_rules() -> None:
    """A rule that calls its own function has a derivative of each order, also where it has been pickled."""
    program = pickled(fd.make_ir(lambda x: softplus(x) * 2.0)(0.5))
    f = lambda x: run_program(program, [x])[0]
    for _ in range(4):
        f = fd.grad(f)
    g = fd.grad(fd.grad(fd.grad(fd.grad(lambda x: softplus(x) * 2.0))))
    np.testing.assert_allclose(f(0.5), g(0.5), rtol=1e-12)


def test_rules_of_rules_that_close_over_something() -> None:
    factor = 2.0

    @fd.custom_jvp
    def f(x):
        return factor * np.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), f(primals[0] + np.pi / 2) * tangents[0]))
    with pytest.raises(StructureError, match="each order of derivatives. Let the function .* as arguments"):
        pickle.dumps(fd.make_ir(f)(1.0))


def test_compiled_functions() -> None:
    lowered = fd.jit(product).lower(W, X)
    compiled = lowered.compile()
    for x in (lowered, compiled):
        assert copy.copy(x) is x and copy.deepcopy([x])[0] is x
    assert pickled(lowered).ir.out_types == lowered.ir.out_types
    again = pickled(compiled)
    assert again(W, X) == compiled(W, X) and again.address == compiled.address  # of one structure: code is shared
    fast = fd.jit(cube, fastmath=True).lower(2.0).compile()
    assert "fast" in pickled(fast).llvm and pickled(fast)(2.0) == 8.0


def run_script(tmp_path, script):
    """What a script prints, run by its name, with a module of functions beside it."""
    (tmp_path / "library.py").write_text(LIBRARY)
    (tmp_path / "script.py").write_text(script)
    package = str(pathlib.Path(fd.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": package}, capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert not found.stderr
    return found.stdout.split()


LIBRARY = """
import numpy as np, functad as fd

@fd.jit
def twice(x):
    return 2.0 * x

def cube(x):
    return x**3

def function(code):
    import marshal, types
    return types.FunctionType(marshal.loads(code), globals())
"""

POOL = """
import multiprocessing, pickle
import numpy as np, functad as fd
import library

@fd.jit
def thrice(x):
    return 3.0 * x

@fd.grad
def slope(x):
    return x * x

if __name__ == "__main__":
    import functools
    functions = [
        library.twice, thrice, slope, fd.grad(library.cube), fd.jit(fd.grad(library.cube)), fd.vjp(np.sin, 0.0)[1],
        fd.jit(library.cube).lower(1.0).compile(), functools.partial(fd.jit(np.multiply), 5.0),
    ]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results = [pool.apply_async(f, (2.0,)) for f in functions]
        for r in results:
            value = r.get(100)
            print(value[0] if isinstance(value, tuple) else value)
"""


@pytest.mark.deep
def test_process_pools(tmp_path) -> None:
    assert run_script(tmp_path, POOL) == ["4.0", "6.0", "4.0", "12.0", "12.0", "2.0", "8.0", "10.0"]


BY_VALUE = """
import io, marshal, pickle, subprocess, sys, types
import functad as fd
import library

@fd.jit
def thrice(x):
    return 3.0 * x

class ByValue(pickle.Pickler):  # as cloudpickle decides about functions
    def reducer_override(self, obj):
        if isinstance(obj, types.FunctionType) and obj.__module__ == "__main__":
            return library.function, (marshal.dumps(obj.__code__),)
        return NotImplemented

    def dump(self, obj):
        return super().dump(obj)

out = io.BytesIO()
ByValue(out).dump([thrice, library.twice])
code = "import pickle, sys; print(*[f(2.0) for f in pickle.load(sys.stdin.buffer)])"
result = subprocess.run([sys.executable, "-c", code], input=out.getvalue(), capture_output=True, check=True)
print(result.stdout.decode())
print(pickle.loads(pickle.dumps(thrice)) is thrice)
"""


@pytest.mark.deep
def test_picklers_that_take_functions_of_main_by_value(tmp_path) -> None:
    assert run_script(tmp_path, BY_VALUE) == ["6.0", "4.0", "True"]


def test_copies_of_local_functions_see_their_variables() -> None:
    rate = 2.0

    @fd.jit
    def f(x):
        return rate * x

    @fd.custom_vjp
    def g(x):
        return x

    g.defvjp(lambda x: (x, None), lambda _, ct: (rate * ct,))
    both = copy.deepcopy([f, g])
    for rate in (3.0, 4.0):
        assert [both[0](1.0), fd.grad(both[1])(1.0), f(1.0), fd.grad(g)(1.0)] == [rate] * 4
