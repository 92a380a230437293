"""SciPy's solvers and optimisers that call a function of the user's, inside a function that is traced: an error that
says what works today.

On plain values they are SciPy's own. Where what they are given, or what the function gives, is traced, a derivative
through the solver is asked for, which they have not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import scipy.optimize as optimize

from functad.errors import UnsupportedError
from functad.numpy.dispatch import stands_for
from functad.numpy.traced import here, is_traced
from functad.scipy.routines import public_name

__all__ = ["OF_INTEGRATE", "refuse_solvers"]

INSTEAD = {
    "minimize": "give it derivatives, {name}(f, x0, jac=fd.grad(f), hess=fd.hessian(f)), outside of functions "
    "that are traced",
    "least_squares": "give it derivatives, {name}(f, x0, jac=fd.jacobian(f)), outside of functions that are traced",
    "root": "give it derivatives, {name}(f, x0, jac=fd.jacobian(f)), outside of functions that are traced",
    "newton": "give it derivatives, {name}(f, x0, fprime=fd.grad(f)), outside; inside, write the iteration as a "
    "while loop",
    "odeint": "integrate with steps of your own in a for loop, or fd.lax.scan, which is compiled and differentiated",
    "solve_ivp": "integrate with steps of your own in a for loop, or fd.lax.scan, which is compiled and differentiated",
}
"""What is to be done instead."""

LOOP = "write the iteration as a while loop, or fd.lax.while_loop, which is compiled and differentiated"

OF_OPTIMIZE = """
    bisect brenth brentq curve_fit fixed_point fsolve least_squares minimize minimize_scalar newton ridder root
    root_scalar toms748
"""
OF_INTEGRATE = "odeint solve_bvp solve_ivp"


def _values_only(solver: Callable[..., Any]) -> None:
    name = public_name(solver)
    instead = INSTEAD.get(solver.__name__, LOOP).format(name=name)
    message = (
        "derivatives through the solver are not there yet (by the implicit function theorem, and adjoint "
        "equations, they "
        f"are planned); {instead}"
    )

    def checked(f: Any, where: str) -> Any:
        """A function that the solver calls."""
        if not callable(f) or isinstance(f, type):
            return f

        @functools.wraps(f)
        def plain(*args: Any, **kwargs: Any) -> Any:
            found = f(*args, **kwargs)
            if is_traced(found if isinstance(found, tuple | list) else (found,)):
                raise UnsupportedError(f"{name}{where} calls a function that depends on a traced value: {message}")
            return found

        return plain

    @stands_for(solver)
    @functools.wraps(solver)
    def values_only(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        given += [v for part in given if isinstance(part, tuple | list) for v in part]
        where = here()
        if is_traced(given):
            raise UnsupportedError(f"{name}{where} was given a traced value: {message}")
        return solver(*[checked(v, where) for v in args], **{k: checked(v, where) for k, v in kwargs.items()})


def refuse_solvers(package: Any, names: str) -> None:
    """Declare that these functions of a package take plain values only."""
    for name in names.split():
        _values_only(getattr(package, name))


refuse_solvers(optimize, OF_OPTIMIZE)
