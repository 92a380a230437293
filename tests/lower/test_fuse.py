"""Fusion: what becomes one loop, what is stored, and that it computes what the Program says."""

from __future__ import annotations

import numpy as np
import pytest

from functad.ir.program import literal
from functad.ir.types import Symbol, array_type
from functad.kernel_ir.nodes import Check, Load, Product, Reduce, Store
from functad.kernel_ir.sizes import poly
from functad.lower.abstract.abstract import abstract
from functad.lower.fuse import fuse
from tests.lower.fusing import Maker, agrees, buffers, evaluate, kernel_count, kernels, lowered, temporaries

N = poly(Symbol(0))


def count(kernel, kind):
    return sum(isinstance(i, kind) for i in kernel.body)


def test_elementwise_chain_is_one_kernel():
    m = Maker()
    x = m.real(100)
    program = m.build(m.exp(m.sin(m.mul(x, np.float64(0.3)))))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    agrees(program)


def test_value_and_gradient_of_a_sum_are_one_kernel():
    """loss = sum(exp(x) * y) with both gradients: one pass over memory."""
    m = Maker()
    x, y = m.real(100), m.real(100)
    e = m.exp(x)
    product = m.mul(e, y)
    program = m.build(m.total(product), product, e)
    (kernel,) = kernels(program)
    assert (count(kernel, Reduce), count(kernel, Store), count(kernel, Load)) == (1, 2, 2)
    assert temporaries(program) == []
    agrees(program)


def test_rank_0_chain_is_one_straight_line_kernel():
    m = Maker()
    x, y = m.real(), m.real()
    a = m.sin(x)
    b = m.mul(a, y)
    program = m.build(m.add(a, b), m.exp(b), m.div(b, y))
    (kernel,) = kernels(program)
    assert kernel.axes == ()
    assert temporaries(program) == []
    agrees(program)


def test_scalars_that_loops_read_are_computed_outside():
    m = Maker()
    x, s = m.real(100), m.real()
    program = m.build(m.mul(x, m.exp(s)))
    scalar, loop = kernels(program)
    assert scalar.axes == () and loop.axes == (N,)
    assert temporaries(program) == [()]
    agrees(program)


def test_softmax_computes_the_exponential_once():
    m = Maker()
    x = m.real(20, 30)
    e = m.exp(m.sub(x, m.along(m.max(x, axes=(1,)), (20, 30), 0)))
    program = m.build(m.div(e, m.along(m.sum(e, axes=(1,)), (20, 30), 0)))
    assert kernel_count(program) == 3
    assert sorted(map(len, temporaries(program))) == [1, 1, 2]
    assert [sum(getattr(i, "op", "") == "exp" for i in k.body) for k in kernels(program)] == [0, 1, 0]
    agrees(program)


def test_cheap_values_are_computed_again_rather_than_stored():
    """The mean, and the sum of squares of what is left of x: x - mean is not stored."""
    m = Maker()
    x = m.real(100)
    centred = m.sub(x, m.along(m.total(x), (100,)))
    program = m.build(m.total(m.mul(centred, centred)), m.mul(centred, np.float64(2)))
    assert temporaries(program) == [()]
    assert kernel_count(program) == 2
    agrees(program)


def test_all_pairs_take_no_array_of_pairs():
    """out_i = sum_j exp(-(x_i - x_j)^2), and the sums over i: both from one double loop."""
    m = Maker()
    x = m.real(50)
    difference = m.sub(m.along(x, (50, 50), 0), m.along(x, (50, 50), 1))
    value = m.exp(m.neg(m.mul(difference, difference)))
    program = m.build(m.sum(value, axes=(1,)), m.sum(m.mul(value, difference), axes=(0,)), m.total(value))
    (kernel,) = kernels(program)
    assert kernel.axes == (N, N)
    assert count(kernel, Reduce) == 3
    assert temporaries(program) == []
    agrees(program)


def test_costly_value_is_stored_before_it_is_spread():
    m = Maker()
    x, y = m.real(50), m.real(50, 40)
    program = m.build(m.mul(m.along(m.exp(x), (50, 40), 0), y))
    assert temporaries(program) == [(N,)]
    assert kernel_count(program) == 2
    agrees(program)


def test_cheap_value_is_spread_without_storing():
    m = Maker()
    x, y = m.real(50), m.real(50, 40)
    program = m.build(m.mul(m.along(m.neg(x), (50, 40), 0), y))
    assert temporaries(program) == []
    assert kernel_count(program) == 1
    agrees(program)


def neighbours(m, x):
    n = x.type.shape[0]
    return m.add(m.slice(x, starts=(0,), stops=(n - 2,), steps=(1,)), m.slice(x, starts=(2,), stops=(n,), steps=(1,)))


@pytest.mark.parametrize(("op", "stored"), [("exp", 1), ("neg", 0)])
def test_what_is_read_at_several_indices_is_stored_if_costly(op, stored):
    m = Maker()
    program = m.build(neighbours(m, getattr(m, op)(m.real(50))))
    assert len(temporaries(program)) == stored
    agrees(program)


def test_stencils_on_stencils_do_not_grow_exponentially():
    m = Maker()
    x = m.real(100)
    for _ in range(20):
        x = neighbours(m, x)
    program = m.build(x)
    assert 4 <= len(temporaries(program)) <= 12
    assert max(len(k.body) for k in kernels(program)) < 40
    agrees(program)


def test_reading_at_one_other_index_fuses():
    m = Maker()
    program = m.build(m.total(m.mul(m.transpose(m.exp(m.real(20, 30)), axes=(1, 0)), m.real(30, 20))))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    agrees(program)


def test_consumer_at_another_index_waits_for_the_whole_array():
    m = Maker()
    x = m.real(50)
    e = m.exp(x)
    program = m.build(e, m.flip(e, axes=(0,)))
    assert kernel_count(program) == 2
    agrees(program)


def test_finished_reduction_is_not_read_in_its_own_loop():
    m = Maker()
    x = m.real(50)
    program = m.build(m.mul(x, m.along(m.total(x), (50,))))
    assert kernel_count(program) == 2
    agrees(program)


def test_groups_that_a_path_separates_stay_apart():
    """x -> sum -> x * sum -> sum: the last reduction cannot join the first, though both loop over x."""
    m = Maker()
    x = m.real(50)
    first = m.total(x)
    second = m.total(m.mul(x, m.exp(m.along(first, (50,)))))
    third = m.total(m.neg(x))
    program = m.build(second, third)
    names = [k.name for k in kernels(program)]
    assert len(names) == 2
    assert count(kernels(program)[0], Reduce) == 2
    agrees(program)


# -- reshape -----------------------------------------------------------------------------------------------------------


def test_reshape_of_an_input_or_a_reduction_is_a_view():
    m = Maker()
    x = m.real(40, 60)
    y = m.mul(m.reshape(x, shape=(2400,)), m.reshape(m.real(20, 120), shape=(2400,)))
    program = m.build(y, m.exp(m.reshape(m.sum(x, axes=(1,)), shape=(20, 2))))
    assert kernel_count(program) == 3
    agrees(program)


def test_splitting_axes_and_axes_of_length_1_pull_through():
    m = Maker()
    x, y = m.real(24), m.real(4, 1, 6)
    split = m.reshape(m.exp(x), shape=(4, 6))
    program = m.build(m.mul(split, m.reshape(m.exp(y), shape=(4, 6))))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    agrees(program)


def test_merging_axes_stores_what_is_computed():
    m = Maker()
    x, y = m.real(4, 6), m.real(24)
    program = m.build(m.mul(m.reshape(m.exp(x), shape=(24,)), y))
    assert kernel_count(program) == 2
    assert temporaries(program) == [(4, 6)]
    agrees(program)


def test_output_that_is_a_view_is_written_in_place():
    m = Maker()
    x = m.real(40, 6)
    program = m.build(
        m.reshape(m.exp(x), shape=(240,)), m.reshape(m.reshape(m.sum(x, axes=(0,)), shape=(1, 6)), shape=(6, 1))
    )
    assert temporaries(program) == []
    assert kernel_count(program) == 1
    agrees(program)


def test_reshape_of_an_empty_array():
    m = Maker()
    agrees(m.build(m.exp(m.reshape(m.exp(m.real(0, 3)), shape=(5, 0)))))


# -- outputs -----------------------------------------------------------------------------------------------------------


def test_outputs_never_share_memory():
    """An input, one variable twice, a view of an output, a constant."""
    m = Maker()
    x = m.real(4, 6)
    e = m.exp(x)
    program = m.build(
        x, e, e, m.reshape(e, shape=(24,)), literal(np.float64(3)), literal(np.arange(3.0)), m.reshape(x, shape=(24,))
    )
    outputs = agrees(program)
    assert len({id(b) for b in lowered(program).outputs}) == len(outputs) == 7
    assert all(b.base is None for b in lowered(program).outputs)
    assert temporaries(program) == []


def test_program_without_equations():
    m = Maker()
    x = m.real(3)
    agrees(m.build(x, x))
    assert lowered(m.build()).body == ()


# -- reductions --------------------------------------------------------------------------------------------------------


def test_reduction_over_axes_of_length_1_is_no_reduction():
    m = Maker()
    x = m.real(20, 1)
    program = m.build(m.exp(m.sum(m.exp(x), axes=(1,))))
    assert kernel_count(program) == 1
    agrees(program)


def test_reduction_reads_its_operand_through_a_broadcast():
    m = Maker()
    x, y = m.real(20), m.real(30)
    program = m.build(m.sum(m.mul(m.along(x, (20, 30), 0), m.along(y, (20, 30), 1)), axes=(1,)))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    agrees(program)


def test_complex_and_boolean_arrays():
    m = Maker()
    z, x = m.input(array_type((20,), np.complex128)), m.real(20)
    w = m.mul(z, m.exp(z))
    program = m.build(
        m.total(w), m.select(m.lt(x, np.float64(0)), x, m.neg(x)), m.any(m.lt(x, np.float64(-3)), axes=(0,)), w
    )
    assert kernel_count(program) == 1
    agrees(program)


# -- contractions ------------------------------------------------------------------------------------------------------


def contract(m, x, y, axes, batch=((), ())):
    return m.dot_general(x, y, contract=axes, batch=batch)


def products(program):
    return [s for s in lowered(program).body if isinstance(s, Product)]


@pytest.mark.parametrize(
    ("x_axes", "y_axes", "contract_axes", "transposed"),
    [
        ("mk", "kn", ((1,), (0,)), (False, False)),
        ("km", "kn", ((0,), (0,)), (True, False)),
        ("mk", "nk", ((1,), (1,)), (False, True)),
        ("km", "nk", ((0,), (1,)), (True, True)),
    ],
)
def test_matrix_products_are_taken_as_they_lie_in_memory(x_axes, y_axes, contract_axes, transposed):
    size = {"m": 20, "k": 30, "n": 40}
    m = Maker()
    x, y = m.real(*[size[a] for a in x_axes]), m.real(*[size[a] for a in y_axes])
    program = m.build(contract(m, x, y, contract_axes))
    (product,) = products(program)
    assert (product.transpose_lhs, product.transpose_rhs) == transposed
    assert kernel_count(program) == 0
    agrees(program)


def test_transposed_operands_are_not_copied():
    m = Maker()
    x, y = m.real(30, 20), m.real(40, 30)
    program = m.build(contract(m, m.transpose(x, axes=(1, 0)), m.transpose(y, axes=(1, 0)), ((1,), (0,))))
    assert kernel_count(program) == 0
    agrees(program)


def test_contracted_axes_in_any_order_are_not_copied():
    """sum over a and b of x[i, a, b] y[b, a, j], where one order of (a, b) would need a copy of both."""
    m = Maker()
    x, y = m.real(20, 5, 7), m.real(5, 7, 20)
    program = m.build(contract(m, x, y, ((2, 1), (1, 0))))
    assert kernel_count(program) == 0
    agrees(program)


def test_operand_in_another_order_is_copied_with_its_producers():
    m = Maker()
    x, y = m.real(30, 20, 5), m.real(30, 40)
    program = m.build(contract(m, m.exp(x), y, ((0,), (0,)), ((), ())), contract(m, x, m.real(20, 40), ((1,), (0,))))
    agrees(program)
    m = Maker()
    x = m.real(20, 30, 5)
    program = m.build(contract(m, m.exp(x), m.real(30, 40), ((1,), (0,))))
    assert kernel_count(program) == 1  # exp, transposed
    assert len(products(program)) == 1
    agrees(program)


def test_batches():
    m = Maker()
    x, y = m.real(3, 20, 30), m.real(3, 30, 40)
    program = m.build(contract(m, x, y, ((2,), (1,)), ((0,), (0,))))
    assert kernel_count(program) == 0
    agrees(program)
    m = Maker()
    agrees(m.build(contract(m, m.real(20, 3, 30), m.real(30, 40, 3), ((2,), (0,)), ((1,), (2,)))))


def test_complex_product():
    m = Maker()
    t = array_type((20, 20), np.complex128)
    program = m.build(contract(m, m.input(t), m.exp(m.input(t)), ((1,), (0,))))
    assert products(program)[0].complex
    agrees(program)


def test_dot_product_fuses_with_what_it_reads():
    m = Maker()
    x, y = m.real(100), m.real(100)
    program = m.build(contract(m, m.exp(x), m.sin(y), ((0,), (0,))))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    agrees(program)


def test_outer_product_is_a_broadcast_multiply():
    m = Maker()
    x, y = m.real(50), m.real(40)
    program = m.build(m.total(m.exp(contract(m, x, y, ((), ())))))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    agrees(program)


def test_small_products_are_loops():
    m = Maker()
    x, y = m.real(8, 8), m.real(8, 8)
    program = m.build(contract(m, m.exp(x), y, ((1,), (0,))), contract(m, m.real(500, 3), m.real(3, 3), ((1,), (0,))))
    assert products(program) == []
    agrees(program)


def test_integer_products_are_loops():
    m = Maker()
    t = array_type((20, 20), np.int64)
    x, y = m.input(t), m.input(t)
    program = m.build(contract(m, x, y, ((1,), (0,))))
    assert products(program) == []
    args = [np.arange(400).reshape(20, 20), np.arange(400).reshape(20, 20) - 200]
    agrees(program, args)


# -- statements, gathers, checks ---------------------------------------------------------------------------------------


def test_parts_of_a_concatenation_fuse():
    m = Maker()
    x, y = m.real(50), m.real(30)
    program = m.build(m.concatenate(m.exp(x), m.sin(y), axis=0))
    assert kernel_count(program) == 2
    assert temporaries(program) == []
    agrees(program)


def test_padding_reads_nothing_outside():
    m = Maker()
    x = m.real(50)
    program = m.build(m.pad(m.exp(x), np.float64(1), widths=((20, 30, 0),)))
    assert kernel_count(program) == 1
    agrees(program)


def looked_up(m, x, i):
    return m.gather(x, m.check_index(i, axis=0, length=x.type.shape[0]), batch=0)


INDICES = array_type((30,), np.int64)


def test_gather_is_checked_and_read_in_one_loop():
    m = Maker()
    x, i = m.real(50), m.input(INDICES)
    program = m.build(m.total(m.mul(looked_up(m, x, i), m.real(30))))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    values = [np.arange(50.0), np.arange(30) - 15, np.ones(30)]
    agrees(program, values)
    for wrong in (50, -51):
        values[1] = np.r_[np.zeros(29, int), wrong]
        assert evaluate(program, values)[1] == 1


def test_gathered_array_is_in_memory_and_computed_once():
    m = Maker()
    x, i = m.real(50), m.input(INDICES)
    program = m.build(looked_up(m, m.exp(x), i))
    assert temporaries(program) == [(N,)]
    agrees(program, [np.linspace(-1, 1, 50), np.arange(30)])


def test_what_may_raise_is_evaluated_in_full():
    """Of the looked up elements only two are needed, but all indices are checked; and checks are not made twice."""
    m = Maker()
    x, i = m.real(50), m.input(INDICES)
    program = m.build(m.exp(m.slice(looked_up(m, x, i), starts=(3,), stops=(5,), steps=(1,))))
    assert evaluate(program, [np.zeros(50), np.r_[np.zeros(29, int), 50]])[1] == 1
    agrees(program, [np.arange(50.0), np.arange(30)])
    m = Maker()
    x, i = m.real(50, 40), m.input(INDICES)
    program = m.build(looked_up(m, x, i))
    assert sum(count(k, Check) for k in kernels(program)) == 1
    assert len(lowered(program).checks) == 1
    agrees(program, [np.arange(2000.0).reshape(50, 40), np.arange(30) - 5])


def test_check_names_its_equation_and_sizes():
    m = Maker()
    x, i = m.real(50), m.input(INDICES)
    m.neg(x)
    found = abstract(m.build(looked_up(m, x, i)))
    fused = fuse(found.program, len(found.symbols))
    assert fused.origins == ((1,),)
    (check,) = fused.program.checks
    assert check.error == "IndexOutOfBoundsError"
    message = check.message.format(*[n.evaluate(found.symbols) for n in check.sizes], value=-51)
    assert message.startswith("index -51 is out of bounds for axis 0 with size 50: valid are -50 to 49")


def test_constants_that_have_to_be_in_memory():
    m = Maker()
    x = m.real(20, 20)
    program = m.build(contract(m, x, literal(np.ones((20, 20)) * 2), ((1,), (0,))))
    assert len(lowered(program).inputs) == 2
    agrees(program)


# -- size and depth ----------------------------------------------------------------------------------------------------


@pytest.mark.one_in(2)
@pytest.mark.parametrize("shape", [(), (50,)])
def test_long_chains_are_one_kernel(shape):
    m = Maker()
    x = m.real(*shape)
    y = z = x
    for i in range(3000):
        y, z = m.sin(m.add(y, z)) if i % 2 else m.mul(y, np.float64(0.5)), y
    program = m.build(y)
    assert kernel_count(program) == 1
    agrees(program)


def test_deep_rules_do_not_exhaust_the_stack():
    m = Maker()
    x = m.real(20, 20)
    for _ in range(500):
        x = m.neg(m.transpose(x, axes=(1, 0)))
    agrees(m.build(x))


def test_many_unrelated_results_do_not_share_one_loop():
    m = Maker()
    program = m.build(*[m.exp(m.real(50)) for _ in range(100)])
    assert kernel_count(program) == 7
    agrees(program)


def test_shared_values_of_scalar_chunks_are_passed_on():
    """No rank-0 value is computed twice, however kernels follow one another."""
    m = Maker()
    x, v = m.real(), m.real(50)
    s = m.exp(x)
    t = m.total(m.mul(v, s))
    program = m.build(m.add(t, m.sin(s)), m.mul(m.sin(s), t))
    assert sum(getattr(i, "op", "") in ("exp", "sin") for k in kernels(program) for i in k.body) <= 3
    agrees(program)


def test_inputs_that_are_not_used():
    m = Maker()
    x, _ = m.real(20), m.real(30)
    program = m.build(m.exp(x))
    assert len(lowered(program).inputs) == 2
    agrees(program)
    assert all(b.role != "temp" for s in lowered(program).body for b in buffers(s))
    assert evaluate(program, [np.zeros(20), np.zeros(30)])[1] == 0
