"""Random nested control flow: blocks of statements that run either through `functad.lax` or as plain Python.

A block maps a state to a state. Expressions read the state, the element that the innermost scan reads (``x``), and what
enclosing blocks had when they were entered (``outer``: a closed-over value). The plain form takes each decision in
Python, and notes it: two runs that decide alike are on one smooth piece of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import functad as fd

lax = fd.lax

MATRIX = np.array([[0.2, 0.7, -0.3], [0.4, -0.5, 0.1], [0.3, 0.3, 0.6]])
ELEMENTS = np.array([0.9, -0.4, 0.1, 0.6])


class State(NamedTuple):
    """Two scalars, a vector and an integer: what blocks work on."""

    a: Any
    b: Any
    v: Any
    k: Any


@dataclass(frozen=True)
class Scope:
    """What expressions can read."""

    state: State
    x: Any = 0.5
    outer: Any = 0.25


@dataclass
class Mode:
    """How statements run, and what was decided on the way (in plain Python)."""

    traced: bool
    decisions: list[Any] = field(default_factory=list)

    def decide(self, value: Any) -> Any:
        """A decision of plain Python."""
        self.decisions.append(value)
        return value


# -- expressions -------------------------------------------------------------------------------------------------------

Expr = tuple[Any, ...]

SCALARS: dict[str, Callable[..., Any]] = {
    "a": lambda s: s.state.a,
    "b": lambda s: s.state.b,
    "x": lambda s: s.x,
    "outer": lambda s: s.outer,
    "k": lambda s: 0.3 * s.state.k,
    "sum": lambda s: np.sum(s.state.v),
    "at": lambda s: s.state.v[s.state.k % 3],
}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "sin": lambda p, q: np.sin(p) + 0.1 * q,
    "tanh": lambda p, q: np.tanh(p * q + 0.3),
    "mul": lambda p, q: p * q * 0.8,
    "sub": lambda p, q: p - 0.5 * q,
    "bell": lambda p, q: np.exp(-p * p) - q * 0.2,
    "root": lambda p, q: np.sqrt(1.0 + p * p) * 0.7 + 0.1 * q,
}
VECTORS: dict[str, Callable[..., Any]] = {
    "scale": lambda v, p: np.sin(v) * p,
    "shift": lambda v, p: 0.5 * v + p,
    "product": lambda v, p: np.tanh(MATRIX @ v + p),
    "turn": lambda v, p: v[::-1] * 0.9 + p * MATRIX[1],
    "sums": lambda v, p: np.cumsum(v) * 0.4 - p,
}


def value_of(e: Expr, scope: Scope) -> Any:
    """The value of a scalar expression."""
    if len(e) == 1:
        return SCALARS[e[0]](scope)
    return OPERATIONS[e[0]](value_of(e[1], scope), value_of(e[2], scope))


expressions = st.recursive(
    st.tuples(st.sampled_from(sorted(SCALARS))),
    lambda inner: st.tuples(st.sampled_from(sorted(OPERATIONS)), inner, inner),
    max_leaves=4,
)


# -- statements --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SetScalar:
    """``a`` or ``b`` becomes an expression."""

    name: str
    expr: Expr

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""
        return scope.state._replace(**{self.name: value_of(self.expr, scope)})


@dataclass(frozen=True)
class SetVector:
    """``v`` becomes a function of itself and an expression."""

    form: str
    expr: Expr

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""
        return scope.state._replace(v=VECTORS[self.form](scope.state.v, value_of(self.expr, scope)))


@dataclass(frozen=True)
class SetElement:
    """One element of ``v`` becomes an expression, or grows by it."""

    method: str
    expr: Expr

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""
        s, value = scope.state, value_of(self.expr, scope)
        if mode.traced:
            return s._replace(v=getattr(fd.at(s.v)[s.k % 3], self.method)(value))
        here = np.arange(3) == s.k % 3
        return s._replace(v=(np.where(here, 0.0, s.v) if self.method == "set" else s.v) + here * value)


@dataclass(frozen=True)
class Count:
    """``k`` grows."""

    by: int

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""
        return scope.state._replace(k=scope.state.k + self.by)


@dataclass(frozen=True)
class If:
    """One of two blocks, by comparing two expressions."""

    left: Expr
    right: Expr
    then: Block
    other: Block

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""
        test = value_of(self.left, scope) < value_of(self.right, scope)
        if mode.traced:
            return lax.cond(
                test, lambda s: self.then.run(s, scope, mode), lambda s: self.other.run(s, scope, mode), scope.state
            )
        return (self.then if mode.decide(bool(test)) else self.other).run(scope.state, scope, mode)


@dataclass(frozen=True)
class Switch:
    """One of several blocks, by ``k``; an index beyond the last one takes the last one."""

    blocks: tuple[Block, ...]

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""
        s = scope.state
        if mode.traced:
            return lax.switch(s.k % 4, [lambda s, b=b: b.run(s, scope, mode) for b in self.blocks], s)
        return self.blocks[min(mode.decide(int(s.k % 4)), len(self.blocks) - 1)].run(s, scope, mode)


@dataclass(frozen=True)
class Scan:
    """A block for each element of an array; ``v`` also gathers what its steps leave."""

    elements: tuple[float, ...]
    reverse: bool
    checkpoint: Any
    body: Block
    result: Expr

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""

        def step(s: State, x: Any) -> tuple[State, Any]:
            after = self.body.run(s, scope, mode, x)
            return after, value_of(self.result, Scope(after, x, scope.state.a))

        if mode.traced:
            state, ys = lax.scan(
                step, scope.state, np.array(self.elements), reverse=self.reverse, checkpoint=self.checkpoint
            )
            return state._replace(v=state.v + 0.3 * np.sum(ys))
        state, ys = scope.state, []
        for x in self.elements[::-1] if self.reverse else self.elements:
            state, y = step(state, x)
            ys.append(y)
        return state._replace(v=state.v + 0.3 * sum(ys))


@dataclass(frozen=True)
class While:
    """A block again and again, while ``a`` is near zero, and no more than so many times."""

    most: int
    limit: float
    checkpoint: Any
    body: Block

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""

        def goes_on(carry: tuple[int, State]) -> Any:
            return (carry[0] < self.most) & (np.abs(carry[1].a) < self.limit)

        def step(carry: tuple[int, State]) -> tuple[int, State]:
            return carry[0] + 1, self.body.run(carry[1], scope, mode)

        carry = 0, scope.state
        if mode.traced:
            return lax.while_loop(goes_on, step, carry, checkpoint=self.checkpoint)[1]
        while mode.decide(bool(goes_on(carry))):
            carry = step(carry)
        return carry[1]


@dataclass(frozen=True)
class For:
    """A block a number of times that ``k`` says; it counts in ``k``."""

    body: Block

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""

        def step(i: Any, s: State) -> State:
            return self.body.run(s._replace(k=s.k + i), scope, mode)

        if mode.traced:
            return lax.fori_loop(1, 1 + scope.state.k % 4, step, scope.state)
        state = scope.state
        for i in range(1, 1 + mode.decide(int(scope.state.k % 4))):
            state = step(i, state)
        return state


@dataclass(frozen=True)
class Wrapped:
    """A block under `jit` or `checkpoint`."""

    wrapper: str
    body: Block

    def run(self, scope: Scope, mode: Mode) -> State:
        """The next state."""
        if mode.traced:
            return getattr(fd, self.wrapper)(lambda s: self.body.run(s, scope, mode))(scope.state)
        return self.body.run(scope.state, scope, mode)


@dataclass(frozen=True)
class Block:
    """Statements, one after the other."""

    statements: tuple[Any, ...]

    def run(self, state: State, entered: Scope, mode: Mode, x: Any = None) -> State:
        """The state after the block; ``entered`` is the scope of the statement that the block belongs to."""
        for statement in self.statements:
            state = statement.run(Scope(state, entered.x if x is None else x, entered.state.a), mode)
        return state


def blocks(depth: int, least: int = 1) -> st.SearchStrategy[Block]:
    """Random blocks with so many levels of control flow within."""
    return st.lists(statements(depth), min_size=least, max_size=3).map(lambda found: Block(tuple(found)))


def statements(depth: int) -> st.SearchStrategy[Any]:
    """Random statements."""
    simple = st.one_of(
        st.builds(SetScalar, st.sampled_from("ab"), expressions),
        st.builds(SetVector, st.sampled_from(sorted(VECTORS)), expressions),
        st.builds(SetElement, st.sampled_from(["set", "add"]), expressions),
        st.builds(Count, st.integers(1, 3)),
    )
    if not depth:
        return simple
    inner, elements = blocks(depth - 1), st.integers(0, 4).map(lambda n: tuple(ELEMENTS[:n].tolist()))
    return st.one_of(
        simple,
        st.builds(If, expressions, expressions, inner, blocks(depth - 1, least=0)),
        st.builds(Switch, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Scan, elements, st.booleans(), st.sampled_from([None, None, "sqrt", "binomial"]), inner, expressions),
        st.builds(
            While, st.integers(0, 4), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([None, None, "sqrt", 2]), inner
        ),
        st.builds(For, inner),
        st.builds(Wrapped, st.sampled_from(["jit", "checkpoint"]), inner),
    )


@dataclass(frozen=True)
class Nest:
    """A real function of two real arguments made of a block."""

    block: Block
    count: int

    def __call__(self, p: Any, q: Any, mode: Mode) -> Any:
        start = State(p, q * p, np.array([0.2, -0.6, 1.1]) * q, self.count)
        end = self.block.run(start, Scope(start), mode)
        return np.sin(end.a) + end.b * 0.5 + np.sum(np.tanh(end.v) * np.array([0.5, -1.0, 2.0])) + 0.1 * end.k

    def traced(self, p: Any, q: Any) -> Any:
        """The function by way of `functad.lax`."""
        return self(p, q, Mode(traced=True))

    def plain(self, p: Any, q: Any) -> Any:
        """The function in plain Python."""
        return self(p, q, Mode(traced=False))

    def decisions(self, p: float, q: float) -> list[Any]:
        """What plain Python decides at a point."""
        mode = Mode(traced=False)
        self(p, q, mode)
        return mode.decisions


def nests(depth: int = 3) -> st.SearchStrategy[Nest]:
    """Random functions with control flow."""
    return st.builds(Nest, blocks(depth, least=2), st.integers(0, 5))
