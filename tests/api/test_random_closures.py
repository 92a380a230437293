"""Random functions that call one another and read globals and cells, while random ones of those change: jitted or not,
the result is the same.
"""

from __future__ import annotations

import random
import types
import warnings

import numpy as np
import pytest

import functad as fd
from functad.errors import RetraceWarning

FUNCTIONS = 5
NAMES = [f"v{k}" for k in range(5)]


def random_value(r: random.Random):
    """Something that functions read."""
    return r.choice([
        lambda: r.choice([0.5, -1.5, 2.0, 3.25, r.random()]),
        lambda: r.randrange(1, 4),
        lambda: r.choice([True, False]),
        lambda: np.float64(r.randrange(4)),
        lambda: np.float32(r.randrange(4)),
        lambda: np.array([r.randrange(4), 1.0, 2.0]),
        lambda: np.array(r.random()),
    ])()  # fmt: skip


def random_body(r: random.Random, k: int) -> str:
    """The body of function number k, which may call those with larger numbers."""
    terms = ["x"]
    for _ in range(r.randrange(1, 4)):
        name = r.choice(NAMES)
        terms.append(r.choice([
            f"{name} * x", f"x + {name}", f"[{name} for _ in range(2)][1] * x", f"(lambda y: y - {name})(x)",
            f"config.{name} * x", f"(x if {name} is True else -x)", f"np.sin(x * {name})", f"(2 * {name}) * x",
        ]))  # fmt: skip
    if k + 1 < FUNCTIONS:
        called = r.randrange(k + 1, FUNCTIONS)
        terms += r.sample(
            [f"f{called}(x)", f"held(x, f{called})", f"table[{called}](x)", f"inner(f{called})(x)"], r.randrange(1, 3)
        )
    return f"def f{k}(x):\n    return {' + '.join(terms)}\n"


HEAD = """
import numpy as np
def held(x, f):
    return f(x)
def inner(f):
    scale = 1.5
    def g(x):
        return scale * f(x)
    return g
"""


class World:
    """A module of functions, what they read, and another module that they read from."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.module = types.ModuleType("users_module")
        self.config = types.ModuleType("users_config")
        for m in (self.module, self.config):
            m.__file__ = f"/users/{m.__name__}.py"
            vars(m).update({n: random_value(self.r) for n in NAMES})
        self.module.config = self.config
        self.run(HEAD + "".join(random_body(self.r, k) for k in reversed(range(FUNCTIONS))))
        self.run(f"table = ({', '.join(f'f{k}' for k in range(FUNCTIONS))})")

    def run(self, text: str) -> None:
        exec(compile(text, self.module.__file__, "exec"), vars(self.module))

    def change(self) -> None:
        """Change something."""
        r = self.r
        m = r.choice([self.module, self.config])
        kind = r.randrange(10)
        name = r.choice(NAMES)
        if kind < 5:
            setattr(m, name, random_value(r))
        elif kind < 6:
            value = getattr(m, name)
            if isinstance(value, np.ndarray):
                value[...] = r.random()
        elif kind < 7:
            self.run(random_body(r, r.randrange(FUNCTIONS)))
        elif kind < 8:
            k = r.randrange(FUNCTIONS)
            space: dict = {}
            exec(random_body(r, k), space)
            getattr(self.module, f"f{k}").__code__ = space[f"f{k}"].__code__
        elif kind < 9:
            self.run(f"table = ({', '.join(f'f{k}' for k in range(FUNCTIONS))})")


@pytest.mark.one_in(12)
@pytest.mark.parametrize("seed", range(12))
def test_random_worlds(seed) -> None:
    world = World(seed)
    m = world.module
    jitted = [
        (fd.jit(lambda x: m.f0(x)), lambda x: m.f0(x)),
        (fd.jit(m.f1), m.f1),
        (fd.jit(fd.grad(lambda x: np.sum(m.f2(x)))), fd.grad(lambda x: np.sum(m.f2(x)))),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetraceWarning)
        for _ in range(25):
            world.change()
            for f, plain in jitted:
                for x in (0.75, np.array([0.5, -0.25, 1.0])):
                    found, expected = f(x), plain(x)
                    assert (
                        np.shape(found) == np.shape(expected) and np.asarray(found).dtype == np.asarray(expected).dtype
                    )
                    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
