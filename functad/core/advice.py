"""What to write instead where Python's own control flow meets a value that is not known: the user's statement, in terms
of `functad.lax`.

The instruction that asked is looked up in the source, by line and column, and the statement that decides on it is
written anew. Where the source is not at hand, or the statement is of another kind, the advice is general.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Sequence
from itertools import islice

from functad.core.parsed import parsed
from functad.ir.program import Location

__all__ = ["advice", "quoted"]

GENERAL = (
    "instead of if use fd.lax.cond(condition, lambda: x, lambda: y), instead of while "
    "fd.lax.while_loop(condition_function, body_function, value), "
    "instead of for fd.lax.fori_loop or fd.lax.scan"
)

Span = tuple[int, int, int, int]


def quoted(location: Location) -> str:
    """The location with the user's line, where the source is at hand."""
    line = linecache.getline(location.filename, location.line).strip()
    return f"{location}, `{line}`" if line else str(location)


def advice(location: Location | None) -> str:
    """What to write in place of the statement at a location."""
    if location is None or (span := _span(location)) is None:
        return GENERAL
    try:
        tree = parsed("".join(linecache.getlines(location.filename)))
    except SyntaxError:
        return GENERAL
    decisions = [node for node in ast.walk(tree) if _decides(node, span)]
    forms = [
        form for node in reversed(decisions) if (form := _form(node)) is not None
    ]  # ast.walk goes from the outside inwards
    return f"write {forms[0]}" if forms else GENERAL


def _span(location: Location) -> Span | None:
    """The lines and columns of an instruction."""
    found = next(islice(location.code.co_positions(), location.instruction // 2, None), None)
    return None if found is None or None in found else found  # type: ignore[return-value]


def _decides(node: ast.AST, span: Span) -> bool:
    """Whether a statement, or an expression, decides on a value that the code of this span asked for."""
    match node:
        case ast.If(test=asked) | ast.While(test=asked) | ast.IfExp(test=asked) | ast.For(iter=asked):
            start, end = _places(asked)
            return start <= span[::2] and (span[1], span[3]) <= end
        case ast.Call() | ast.Subscript():
            return _places(node) == (span[::2], (span[1], span[3]))
    return False


def _places(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    """Line and column of the start and of the end."""
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def _form(node: ast.AST) -> str | None:
    """The statement by way of `functad.lax`; None where there is no short way to write it."""
    match node:
        case ast.IfExp(test, body, orelse):
            return _cond(test, body, orelse)
        case ast.If():
            return _if(node)
        case ast.While():
            return _while(node)
        case ast.For(iter=ast.Call(func=ast.Name(id="range"), args=bounds)) if len(bounds) < 3:
            return _for(node, bounds)
        case ast.Call(func=ast.Name(id="max" | "min" as name), args=[first, second]):
            return f"np.{name}imum({ast.unparse(first)}, {ast.unparse(second)})"
        case ast.Subscript(value, index):
            return f"fd.numpy.asarray({ast.unparse(value)})[{ast.unparse(index)}]"
    return None


def _cond(test: ast.expr, then: ast.expr, other: ast.expr | str) -> str:
    second = other if isinstance(other, str) else ast.unparse(other)
    return f"fd.lax.cond({_condition(test)}, lambda: {ast.unparse(then)}, lambda: {second})"


def _if(node: ast.If) -> str | None:
    match node.body, node.orelse:
        case [ast.Return(value=ast.expr() as then)], [ast.Return(value=ast.expr() as other)]:
            return f"return {_cond(node.test, then, other)}"
        case [ast.Return(value=ast.expr() as then)], []:
            return f"return {_cond(node.test, then, '...')}, with what follows in the second function"
    names = _assigned([*node.body, *node.orelse])
    if not names:
        return None
    carry = ", ".join(names)
    if len(names) == 1 and (value := _next(node.body)):
        otherwise = _next(node.orelse) if node.orelse else carry
        if otherwise:
            return f"{carry} = {_cond(node.test, value, otherwise)}"
    return (
        f"{carry} = fd.lax.cond({_condition(node.test)}, then, other, {carry}), "
        f"where then({carry}) and other({carry}) return the new values"
    )


def _while(node: ast.While) -> str | None:
    names = _assigned(node.body)
    if not names:
        return None
    test, carry = _condition(node.test), ", ".join(names)
    if len(names) == 1 and (body := _next(node.body)):
        return f"{carry} = fd.lax.while_loop(lambda {carry}: {test}, lambda {carry}: {ast.unparse(body)}, {carry})"
    return (
        f"{carry} = fd.lax.while_loop(lambda s: goes_on(*s), lambda s: body(*s), ({carry})), "
        f"where goes_on({carry}) returns {test} and body({carry}) the next ({carry})"
    )


def _for(node: ast.For, bounds: Sequence[ast.expr]) -> str | None:
    names = _assigned(node.body)
    if not names or not isinstance(node.target, ast.Name):
        return None
    first, last = ("0", ast.unparse(bounds[0])) if len(bounds) == 1 else map(ast.unparse, bounds)
    carry = ", ".join(names)
    if len(names) == 1 and (body := _next(node.body)):
        step = f"lambda {node.target.id}, {carry}: {ast.unparse(body)}"
        return f"{carry} = fd.lax.fori_loop({first}, {last}, {step}, {carry})"
    return (
        f"{carry} = fd.lax.fori_loop({first}, {last}, lambda {node.target.id}, s: body({node.target.id}, *s), "
        f"({carry})), "
        f"where body({node.target.id}, {carry}) returns the next ({carry})"
    )


_LEAVES = (ast.Return, ast.Raise, ast.Break, ast.Continue, ast.FunctionDef)


def _assigned(body: Iterable[ast.stmt]) -> list[str]:
    """The names that statements assign to, in order; none where they also leave on other ways, or change more than
    names.
    """
    nodes = [n for s in body for n in ast.walk(s)]
    if any(
        isinstance(n, _LEAVES) or (isinstance(n, ast.Attribute | ast.Subscript) and not isinstance(n.ctx, ast.Load))
        for n in nodes
    ):
        return []
    inner = {n for c in nodes if isinstance(c, ast.comprehension) for n in ast.walk(c.target)}
    return list(
        dict.fromkeys(
            [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n not in inner]
        )
    )


def _next(body: Sequence[ast.stmt]) -> ast.expr | None:
    """The new value of a name, if all that the body does is to assign it."""
    match body:
        case [ast.Assign(targets=[ast.Name()], value=value)]:
            return value
        case [ast.AugAssign(target=ast.Name() as name, op=op, value=value)]:
            return ast.BinOp(ast.Name(name.id), op, value)
    return None


def _condition(test: ast.expr) -> str:
    """The condition, as it can be traced."""
    return ast.unparse(_Elementwise().visit(test))


_LOGICAL_NOT = ast.Attribute(ast.Name("np"), "logical_not")


class _Elementwise(ast.NodeTransformer):
    """``and``, ``or``, ``not`` and chained comparisons ask for truth values: their elementwise forms do not.

    ``~`` would not do for ``not``: of a plain True it is -2.
    """

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """``a and b`` is ``a & b``."""
        self.generic_visit(node)
        return _joined(node.values, ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr())

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """``not a`` is ``np.logical_not(a)``."""
        self.generic_visit(node)
        return ast.Call(_LOGICAL_NOT, [node.operand], []) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """``a < b < c`` is ``(a < b) & (b < c)``."""
        self.generic_visit(node)
        operands = [node.left, *node.comparators]
        pairs = [ast.Compare(a, [op], [b]) for a, op, b in zip(operands, node.ops, operands[1:], strict=False)]
        return _joined(pairs, ast.BitAnd())


def _joined(parts: Sequence[ast.expr], op: ast.operator) -> ast.expr:
    first, *others = parts
    for part in others:
        first = ast.BinOp(first, op, part)
    return first
