"""Products of matrices whose elements are found by tables of offsets: what convolutions come down to.

    out[go[g] + io[i] + jo[j]] = sum_k a[ga[g] + ia[i] + ka[k]] b[gb[g] + kb[k] + jb[j]]

So no matrix of all windows is ever in memory. The native function is a blocked matrix product (K. Goto and R. A. van de
Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34, 2008): panels of ``DEPTH`` rows of b and two
vectors of columns are packed, a few at a time, and ``ROWS`` rows of a are multiplied with each in registers. Packing
moves vectors where offsets are adjacent along j, transposes blocks where they are along k, and gathers elements
elsewhere. What is computed does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.codes import OUT_OF_MEMORY
from functad.kernel_ir.lines import Carried, Lines
from functad.kernel_ir.native import MOST_BLOCKS, NativeFunction, Text, family, reads, writes

__all__ = ["gathered_product"]

ROWS = 6
"""Rows of a that are multiplied at a time: with two vectors of b, their sums take twelve of sixteen registers."""

VECTORS = 2
"""Vectors that are the columns of a panel."""

DEPTH, PANELS = 256, 8
"""So many rows and panels of b are packed before they are used: they stay in the second cache."""

GRAIN = 100_000
"""Nanoseconds of work for which a thread is worth its while."""

SPEED = 16
"""Multiplications in a nanosecond, about."""

LINE = 64
"""Bytes between what two threads write."""


@family
def gathered_product(dtype: np.dtype, out: int, a: int, b: int) -> NativeFunction:
    """The product of arrays of these ranks; further operands are the tables ``(ga, gb, go)``, ``(ia, io)``,
    ``(ka, kb)`` and ``(jb, jo)``.
    """
    symbol = f"functad_gathered_{dtype_name(dtype)}_{out}_{a}_{b}"
    tables = [reads(np.int64, 2)] * 4
    ranks = out, a, b

    def evaluate(z: np.ndarray, x: np.ndarray, y: np.ndarray, g: Any, i: Any, k: Any, j: Any) -> None:
        for at_x, at_y, at_z in g.T:
            left = x.reshape(-1)[at_x + i[0][:, None] + k[0]]
            right = y.reshape(-1)[at_y + k[1][:, None] + j[0]]
            z.reshape(-1)[at_z + i[1][:, None] + j[1]] = left @ right

    operands = (writes(dtype, out), reads(dtype, a), reads(dtype, b), *tables)
    return NativeFunction(symbol, Text(lambda target: _module(symbol, dtype, ranks, target)), operands, evaluate)


def _module(symbol: str, dtype: np.dtype, ranks: tuple[int, int, int], target: Any) -> str:
    kind = _Kind(dtype, target)
    return "\n".join([
        kind.pack(),
        *[kind.tile(rows) for rows in range(1, ROWS + 1)],
        kind.block(),
        _entry(symbol, ranks, kind),
        *sorted(kind.declarations),
        "declare void @functad_blocks(ptr, ptr, i64, i64, i64, i64, ptr, i64, ptr)",
        "declare noalias ptr @malloc(i64)",
        "declare void @free(ptr)",
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        "declare i64 @llvm.smin.i64(i64, i64)",
    ])  # fmt: skip


class _Writer(Lines):
    """A function while it is written: loops, and loads and stores of vectors of one kind."""

    def __init__(self, kind: _Kind) -> None:
        super().__init__(kind.declarations)
        self.kind = kind

    @contextmanager
    def loop(self, low: str, high: str, step: str = "1", carried: Sequence[Carried] = ()) -> Iterator[str]:
        """A loop over indices, which may have no steps."""
        with self.when(self.emit(f"icmp slt i64 {low}, {high}"), carried):
            counter = Carried("i64", low)
            with self.repeat([counter, *carried]) as again:
                yield counter.name
                counter.name = self.emit(f"add i64 {counter.name}, {step}")
                again(self.emit(f"icmp slt i64 {counter.name}, {high}"))

    def at(self, pointer: str, index: str, type: str = "") -> str:
        """The address of an element."""
        return self.emit(f"getelementptr {type or self.kind.type}, ptr {pointer}, i64 {index}")

    def offset(self, table: str, index: str) -> str:
        """An element of a table."""
        return self.emit(f"load i64, ptr {self.at(table, index, 'i64')}")

    def least(self, x: str, y: str) -> str:
        """The lesser of two integers."""
        return self.emit(f"call i64 @llvm.smin.i64(i64 {x}, i64 {y})")

    def vector(self, pointer: str, width: int = 0) -> str:
        """The vector at an address."""
        return self.emit(f"load {self.kind.vector_of(width)}, ptr {pointer}, align {self.kind.itemsize}")

    def keep(self, vector: str, pointer: str, width: int = 0) -> None:
        """Store a vector."""
        self.line(f"store {self.kind.vector_of(width)} {vector}, ptr {pointer}, align {self.kind.itemsize}")

    def adjacent(self, table: str, first: str, width: int) -> str:
        """Whether so many offsets follow one another: an i1."""
        ty = f"<{width} x i64>"
        found = self.emit(f"load {ty}, ptr {self.at(table, first, 'i64')}, align 8")
        one = self.emit(f"shufflevector {ty} {found}, {ty} poison, <{width} x i32> zeroinitializer")
        steps = self.emit(f"sub {ty} {found}, {one}")
        numbers = ", ".join([f"i64 {k}" for k in range(width)])
        equal = self.emit(f"icmp eq {ty} {steps}, <{numbers}>")
        bits = self.emit(f"bitcast <{width} x i1> {equal} to i{width}")
        return self.emit(f"icmp eq i{width} {bits}, -1")

    def function(self, header: str, result: str = "void") -> str:
        """The text."""
        return "\n".join([f"define internal {header} {{", "entry:", *self.lines, f"  ret {result}", "}"])


class _Kind:
    """What is written for one dtype and one machine."""

    def __init__(self, dtype: np.dtype, target: Any) -> None:
        self.declarations: set[str] = set()
        self.itemsize = dtype.itemsize
        self.float = dtype.kind == "f"
        self.type = {4: "float", 8: "double"}[dtype.itemsize] if self.float else f"i{8 * dtype.itemsize}"
        self.width = min(max(2, min(int(target.vector_bits), 256) // (8 * dtype.itemsize)), 8)
        self.vector = f"<{self.width} x {self.type}>"
        self.columns = VECTORS * self.width

    def vector_of(self, width: int) -> str:
        """The type of a vector of so many lanes; by default, of all."""
        return f"<{width} x {self.type}>" if width else self.vector

    def add_product(self, code: _Writer, total: str, x: str, y: str, type: str) -> str:
        """``total + x * y``, in one rounding where the machine has that."""
        if not self.float:
            return code.emit(f"add {type} {total}, {code.emit(f'mul {type} {x}, {y}')}")
        return code.emit(f"fadd contract {type} {total}, {code.emit(f'fmul contract {type} {x}, {y}')}")

    def add(self, code: _Writer, x: str, y: str, type: str) -> str:
        """``x + y``."""
        return code.emit(f"{'fadd' if self.float else 'add'} {type} {x}, {y}")

    # -- packing -------------------------------------------------------------------------------------------------------

    def pack(self) -> str:
        """``pack(panel, b, kb, jb, depth, count)``: the columns of a panel, of which ``count`` exist; the last of these
        stands for those that do not.
        """
        code = _Writer(self)
        last = code.emit("sub i64 %count, 1")
        for part in range(VECTORS):
            first = part * self.width
            lanes = [code.offset("%jb", code.least(str(first + k), last)) for k in range(self.width)]
            self._pack_part(code, part, lanes, code.emit(f"icmp sge i64 %count, {first + self.width}"))
        return code.function(
            "void @pack(ptr noalias %panel, ptr noalias %b, ptr noalias %kb, ptr noalias %jb, i64 %depth, i64 %count)"
        )

    def _pack_part(self, code: _Writer, part: int, lanes: list[str], exists: str) -> None:
        """The columns of one vector: in rows where they are adjacent, all of them or each half (where a line of an
        image ends).
        """
        first, half = part * self.width, self.width // 2
        whole, halves = Carried("i1", "false"), Carried("i1", "false")
        with code.when(exists, [whole, halves]):
            whole.name = code.adjacent("%jb", str(first), self.width)
            parts = [code.adjacent("%jb", str(first + k), half) for k in (0, half)]
            halves.name = code.emit(f"and i1 {', '.join(parts)}")
        code.either(
            whole.name,
            lambda: self._pack_rows(code, part, lanes, self.width),
            lambda: code.either(
                halves.name,
                lambda: self._pack_rows(code, part, lanes, half),
                lambda: self._pack_columns(code, part, lanes),
                (),
            ),
            (),
        )

    def _place(self, code: _Writer, k: str, part: int) -> str:
        index = code.emit(f"mul i64 {k}, {self.columns}")
        return code.at("%panel", index if part == 0 else code.emit(f"add i64 {index}, {part * self.width}"))

    def _pack_rows(self, code: _Writer, part: int, lanes: list[str], width: int) -> list[str]:
        """Columns of which so many are adjacent in each row."""
        sources = [code.at("%b", lane) for lane in lanes[::width]]
        with code.loop("0", "%depth") as k:
            row, place = code.offset("%kb", k), self._place(code, k, part)
            for n, source in enumerate(sources):
                code.keep(code.vector(code.at(source, row), width), code.at(place, str(n * width)), width)
        return []

    def _pack_columns(self, code: _Writer, part: int, lanes: list[str]) -> list[str]:
        """Other columns: blocks of them, where rows are adjacent in each column."""
        sources = [code.at("%b", lane) for lane in lanes]
        blocks = code.emit(f"and i64 %depth, {-self.width}")
        with code.loop("0", blocks, str(self.width)) as k:
            code.either(
                code.adjacent("%kb", k, self.width),
                lambda: self._pack_turned(code, part, sources, k),
                lambda: self._pack_elements(code, part, sources, k, code.emit(f"add i64 {k}, {self.width}")),
                (),
            )
        return self._pack_elements(code, part, sources, blocks, "%depth")

    def _pack_turned(self, code: _Writer, part: int, sources: list[str], k: str) -> list[str]:
        row = code.offset("%kb", k)
        turned = _transposed(code, self.vector, [code.vector(code.at(source, row)) for source in sources])
        for t, vector in enumerate(turned):
            code.keep(vector, self._place(code, code.emit(f"add i64 {k}, {t}"), part))
        return []

    def _pack_elements(self, code: _Writer, part: int, sources: list[str], low: str, high: str) -> list[str]:
        with code.loop(low, high) as k:
            row, place = code.offset("%kb", k), self._place(code, k, part)
            for lane, source in enumerate(sources):
                value = code.emit(f"load {self.type}, ptr {code.at(source, row)}")
                code.line(f"store {self.type} {value}, ptr {code.at(place, str(lane))}")
        return []

    # -- multiplying ---------------------------------------------------------------------------------------------------

    def tile(self, rows: int) -> str:
        """``tile(out, io, jo, a, ia, ka, panel, depth, count, first)``: the products of some rows with a panel, which
        are written if they are the first, else added.
        """
        code = _Writer(self)
        sources = [code.at("%a", code.offset("%ia", str(r))) for r in range(rows)]
        sums = [Carried(self.vector, "zeroinitializer") for _ in range(rows * VECTORS)]
        panel = Carried("ptr", "%panel")
        with code.loop("0", "%depth", carried=[panel, *sums]) as k:
            row = [code.vector(code.at(panel.name, str(v * self.width))) for v in range(VECTORS)]
            place = code.offset("%ka", k)
            for r, source in enumerate(sources):
                one = code.emit(f"load {self.type}, ptr {code.at(source, place)}")
                lane = code.emit(f"insertelement {self.vector} poison, {self.type} {one}, i64 0")
                factor = code.emit(
                    f"shufflevector {self.vector} {lane}, {self.vector} poison, <{self.width} x i32> zeroinitializer"
                )
                for v in range(VECTORS):
                    total = sums[r * VECTORS + v]
                    total.name = self.add_product(code, total.name, factor, row[v], self.vector)
            panel.name = code.at(panel.name, str(self.columns))
        totals = [total.name for total in sums]
        whole = code.emit(f"icmp eq i64 %count, {self.columns}")
        with code.when(whole, [runs := Carried("i1", "false")]):
            found = [code.adjacent("%jo", str(v * self.width), self.width) for v in range(VECTORS)]
            runs.name = code.emit(f"and i1 {', '.join(found)}")
        code.either(
            runs.name,
            lambda: self._write_runs(code, rows, totals),
            lambda: self._write_elements(code, rows, totals),
            (),
        )
        return code.function(
            f"void @tile{rows}(ptr noalias %out, ptr noalias %io, ptr noalias %jo, ptr noalias %a, ptr noalias %ia, "
            "ptr noalias %ka, ptr noalias %panel, i64 %depth, i64 %count, i1 %first)"
        )

    def _write_runs(self, code: _Writer, rows: int, totals: list[str]) -> list[str]:
        starts = [code.offset("%jo", str(v * self.width)) for v in range(VECTORS)]
        places = []
        for r in range(rows):
            out = code.at("%out", code.offset("%io", str(r)))
            places += [code.at(out, start) for start in starts]
        kept = [Carried(self.vector, total) for total in totals]
        with code.when(code.emit("xor i1 %first, true"), kept):
            for c, place in zip(kept, places, strict=True):
                c.name = self.add(code, code.vector(place), c.name, self.vector)
        for c, place in zip(kept, places, strict=True):
            code.keep(c.name, place)
        return []

    def _write_elements(self, code: _Writer, rows: int, totals: list[str]) -> list[str]:
        memory = code.name()
        code.lines.insert(0, f"  {memory} = alloca [{rows * self.columns} x {self.type}]")
        for k, total in enumerate(totals):
            code.keep(total, code.at(memory, str(k * self.width)))
        for r in range(rows):
            out = code.at("%out", code.offset("%io", str(r)))
            with code.loop("0", "%count") as j:
                index = code.emit(f"add i64 {j}, {r * self.columns}")
                value = Carried(self.type, code.emit(f"load {self.type}, ptr {code.at(memory, index)}"))
                place = code.at(out, code.offset("%jo", j))
                with code.when(code.emit("xor i1 %first, true"), [value]):
                    value.name = self.add(code, code.emit(f"load {self.type}, ptr {place}"), value.name, self.type)
                code.line(f"store {self.type} {value.name}, ptr {place}")
        return []

    # -- blocks --------------------------------------------------------------------------------------------------------

    def block(self) -> str:
        """What one thread does: some of the panels of all groups."""
        code = _Writer(self)
        fields = [
            "out",
            "a",
            "b",
            "ga",
            "gb",
            "go",
            "ia",
            "io",
            "ka",
            "kb",
            "jb",
            "jo",
            "groups",
            "m",
            "depth",
            "n",
            "panels",
        ]
        v: dict[str, str] = {}
        for k, name in enumerate(fields):
            type = "ptr" if k < 12 else "i64"
            v[name] = code.emit(f"load {type}, ptr {code.at('%data', str(k), 'i64')}")
        size = PANELS * DEPTH * self.columns * self.itemsize
        memory = code.emit(f"call ptr @malloc(i64 {size})")
        there = code.emit(f"icmp ne ptr {memory}, null")
        status = code.emit(f"select i1 {there}, i32 0, i32 {OUT_OF_MEMORY}")
        code.line(f"store i32 {status}, ptr %partial")
        unit = Carried("i64", "%begin")
        some = code.emit("icmp slt i64 %begin, %end")
        with code.when(code.emit(f"and i1 {there}, {some}"), ()), code.repeat([unit]) as again:
            group = code.emit(f"sdiv i64 {unit.name}, {v['panels']}")
            first = code.emit(f"srem i64 {unit.name}, {v['panels']}")
            left = code.least(code.emit(f"sub i64 %end, {unit.name}"), code.emit(f"sub i64 {v['panels']}, {first}"))
            count = code.least(left, str(PANELS))
            self._panels(code, v, memory, group, first, count)
            unit.name = code.emit(f"add i64 {unit.name}, {count}")
            again(code.emit(f"icmp slt i64 {unit.name}, %end"))
        code.line(f"call void @free(ptr {memory})")
        return code.function("void @block(ptr %data, i64 %begin, i64 %end, ptr %partial)")

    def _panels(self, code: _Writer, v: dict[str, str], memory: str, group: str, first: str, count: str) -> None:
        """The products of all rows with ``count`` panels of a group."""
        out, a, b = (code.at(v[name], code.offset(v[f"g{table}"], group)) for name, table in zip(
            ("out", "a", "b"), "oab", strict=True))  # fmt: skip
        with code.loop("0", v["depth"], str(DEPTH)) as k:
            depth = code.least(code.emit(f"sub i64 {v['depth']}, {k}"), str(DEPTH))
            start = code.emit(f"icmp eq i64 {k}, 0")
            ka, kb = code.at(v["ka"], k, "i64"), code.at(v["kb"], k, "i64")

            def panel(p: str) -> tuple[str, str, str]:
                place = code.at(memory, code.emit(f"mul i64 {p}, {DEPTH * self.columns}"))
                column = code.emit(f"mul i64 {code.emit(f'add i64 {first}, {p}')}, {self.columns}")
                return place, column, code.least(code.emit(f"sub i64 {v['n']}, {column}"), str(self.columns))

            with code.loop("0", count) as p:
                place, column, columns = panel(p)
                jb = code.at(v["jb"], column, "i64")
                code.line(f"call void @pack(ptr {place}, ptr {b}, ptr {kb}, ptr {jb}, i64 {depth}, i64 {columns})")
            with code.loop("0", v["m"], str(ROWS)) as i:
                rows = code.least(code.emit(f"sub i64 {v['m']}, {i}"), str(ROWS))
                tile = "@tile1"
                for r in range(2, ROWS + 1):
                    fits = code.emit(f"icmp sge i64 {rows}, {r}")
                    tile = code.emit(f"select i1 {fits}, ptr @tile{r}, ptr {tile}")
                ia, io = code.at(v["ia"], i, "i64"), code.at(v["io"], i, "i64")
                with code.loop("0", count) as p:
                    place, column, columns = panel(p)
                    jo = code.at(v["jo"], column, "i64")
                    code.line(
                        f"call void {tile}(ptr {out}, ptr {io}, ptr {jo}, ptr {a}, ptr {ia}, ptr {ka}, ptr {place}, "
                        f"i64 {depth}, i64 {columns}, i1 {start})"
                    )


def _transposed(code: Lines, type: str, rows: list[str]) -> list[str]:
    """The columns of a square of vectors: halves of pairs of rows change places, then quarters, and so on."""
    width, size = len(rows), len(rows) // 2
    while size:
        for r in range(width):
            if r & size == 0:
                x, y = rows[r], rows[r + size]
                low = [k if k & size == 0 else width + k - size for k in range(width)]
                high = [k + size if k & size == 0 else width + k for k in range(width)]
                for place, order in ((r, low), (r + size, high)):
                    indices = ", ".join([f"i32 {k}" for k in order])
                    rows[place] = code.emit(f"shufflevector {type} {x}, {type} {y}, <{width} x i32> <{indices}>")
        size //= 2
    return rows


def _entry(symbol: str, ranks: tuple[int, int, int], kind: _Kind) -> str:
    """The function itself: where the tables are and how long, and the work divided among threads."""
    code = Lines()

    def load(type: str, pointer: str, index: int) -> str:
        return code.emit(f"load {type}, ptr {code.emit(f'getelementptr i64, ptr {pointer}, i64 {index}')}")

    arrays = [load("ptr", "%buffers", k) for k in range(7)]
    after = sum(ranks)
    groups, m, depth, n = (load("i64", "%sizes", after + 2 * t + 1) for t in range(4))

    def rows(table: str, length: str, count: int) -> list[str]:
        starts = [code.emit(f"mul i64 {length}, {r}") for r in range(count)]
        return [code.emit(f"getelementptr i64, ptr {table}, i64 {s}") for s in starts]

    found = [*arrays[:3], *rows(arrays[3], groups, 3), *rows(arrays[4], m, 2)]
    found += [*rows(arrays[5], depth, 2), *rows(arrays[6], n, 2)]
    raised = code.emit(f"add i64 {n}, {kind.columns - 1}")
    panels = code.emit(f"sdiv i64 {raised}, {kind.columns}")
    for k, value in enumerate([*found, groups, m, depth, n, panels]):
        place = code.emit(f"getelementptr i64, ptr %data, i64 {k}")
        code.line(f"store {'ptr' if k < 12 else 'i64'} {value}, ptr {place}")
    area = code.emit(f"mul i64 {code.emit(f'mul i64 {m}, {n}')}, {groups}")
    work = code.emit(f"sdiv i64 {code.emit(f'mul i64 {area}, {depth}')}, {SPEED}")
    some = code.emit(f"icmp sgt i64 {m}, 0")
    units = code.emit(f"select i1 {some}, i64 {code.emit(f'mul i64 {groups}, {panels}')}, i64 0")
    bytes = code.emit(f"mul i64 {area}, {kind.itemsize}")
    with code.when(code.emit(f"icmp eq i64 {depth}, 0"), ()):
        code.line(f"call void @llvm.memset.p0.i64(ptr {arrays[0]}, i8 0, i64 {bytes}, i1 false)")
    code.line(
        f"call void @functad_blocks(ptr @block, ptr %data, i64 {units}, i64 {work}, i64 {GRAIN}, i64 1, ptr %partials, "
        f"i64 {LINE}, ptr %count.at)"
    )
    count = code.emit("load i64, ptr %count.at")
    index, status = Carried("i64", "0"), Carried("i32", "0")
    with code.when(code.emit(f"icmp sgt i64 {count}, 0"), [status]), code.repeat([index, status]) as again:
        partial = code.emit(f"getelementptr i8, ptr %partials, i64 {code.emit(f'mul i64 {index.name}, {LINE}')}")
        bad = code.emit(f"icmp eq i32 {status.name}, 0")
        status.name = code.emit(f"select i1 {bad}, i32 {code.emit(f'load i32, ptr {partial}')}, i32 {status.name}")
        index.name = code.emit(f"add i64 {index.name}, 1")
        again(code.emit(f"icmp slt i64 {index.name}, {count}"))
    body = "\n".join(code.lines)
    return f"""define i32 @{symbol}(ptr %buffers, ptr %sizes) {{
entry:
  %data = alloca [17 x i64]
  %count.at = alloca i64
  %partials = alloca [{MOST_BLOCKS * LINE} x i8]
{body}
  ret i32 {status.name}
}}"""
