"""Conversion between half and float where the CPU has no instructions for it.

LLVM then calls the compiler's runtime library, under names that few C libraries have, so a module defines them itself.
"""

from __future__ import annotations

__all__ = ["half_text"]

# Up: the bits of a half, shifted, are a float whose exponent is too small by 112, subnormals included; infinity and NaN
# have the highest. Down: below 2^-14, where halves are subnormal, adding 0.5 leaves the half's bits, rounded, at the
# end of the sum; above, 112 is taken off the exponent, and just less than half a unit added, or half a unit where the
# last bit is odd: ties go to even, and what is too large to infinity.
_TEXT = """
define internal float @__extendhfsf2(half %x) nounwind {
  %bits = bitcast half %x to i16
  %wide = zext i16 %bits to i32
  %size = and i32 %wide, 32767
  %shifted = shl i32 %size, 13
  %small = bitcast i32 %shifted to float
  %scaled = fmul float %small, 0x46F0000000000000
  %plain = bitcast float %scaled to i32
  %special = or i32 %shifted, 2139095040
  %huge = icmp uge i32 %size, 31744
  %value = select i1 %huge, i32 %special, i32 %plain
  %high = and i32 %wide, 32768
  %sign = shl i32 %high, 16
  %signed = or i32 %value, %sign
  %result = bitcast i32 %signed to float
  ret float %result
}

define internal half @__truncsfhf2(float %x) nounwind {
  %bits = bitcast float %x to i32
  %size = and i32 %bits, 2147483647
  %float = bitcast i32 %size to float
  %sum = fadd float %float, 5.000000e-01
  %sum.bits = bitcast float %sum to i32
  %small = sub i32 %sum.bits, 1056964608
  %shifted = lshr i32 %size, 13
  %odd = and i32 %shifted, 1
  %below = add i32 %size, -939520001
  %rounded = add i32 %below, %odd
  %plain = lshr i32 %rounded, 13
  %is.small = icmp ult i32 %size, 947912704
  %finite = select i1 %is.small, i32 %small, i32 %plain
  %is.nan = icmp ugt i32 %size, 2139095040
  %special = select i1 %is.nan, i32 32256, i32 31744
  %is.huge = icmp uge i32 %size, 1199570944
  %value = select i1 %is.huge, i32 %special, i32 %finite
  %high = lshr i32 %bits, 16
  %sign = and i32 %high, 32768
  %signed = or i32 %value, %sign
  %narrow = trunc i32 %signed to i16
  %result = bitcast i16 %narrow to half
  ret half %result
}
"""


def half_text(text: str, triple: str, features: str) -> str:
    """The functions that a module's text needs on a CPU."""
    has_instructions = triple.startswith(("aarch64", "arm64")) or "+f16c" in features.split(",")
    return _TEXT if "half" in text and not has_instructions else ""
