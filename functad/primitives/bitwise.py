"""Operations on bits; on bools they are the logical operations."""

from __future__ import annotations

import numpy as np

from functad.primitives.elementwise import elementwise

__all__ = ["bit_and", "bit_not", "bit_or", "bit_xor", "shift_left", "shift_right"]

bit_and = elementwise("bit_and", np.bitwise_and, kinds="iub", operands=2, low=-9, high=9, cheap=True)
bit_or = elementwise("bit_or", np.bitwise_or, kinds="iub", operands=2, low=-9, high=9, cheap=True)
bit_xor = elementwise("bit_xor", np.bitwise_xor, kinds="iub", operands=2, low=-9, high=9, cheap=True)
bit_not = elementwise("bit_not", np.invert, kinds="iub", low=-9, high=9, cheap=True)

# shifts by the width or more give 0 (or -1), as in NumPy
shift_left = elementwise("shift_left", np.left_shift, kinds="iu", operands=2, low=0, high=9)
shift_right = elementwise("shift_right", np.right_shift, kinds="iu", operands=2, low=0, high=9)
