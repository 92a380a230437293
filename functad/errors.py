"""Error classes: each is also an instance of what Python or NumPy would raise, and its message says what to write
instead, and ends with the code of its kind.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "ArgumentError",
    "AxisError",
    "CacheWarning",
    "CollectiveError",
    "DtypeError",
    "EscapedTracerError",
    "FunctadError",
    "FunctadWarning",
    "ImmutableError",
    "IndexOutOfBoundsError",
    "InternalError",
    "InvalidIndexError",
    "LinAlgError",
    "LinearityError",
    "OF_VALUES",
    "MissingExtraError",
    "NonFiniteError",
    "ParseError",
    "RetraceWarning",
    "UnrolledWarning",
    "ShapeError",
    "StructureError",
    "TracerConversionError",
    "UnboundAxisError",
    "UnsupportedError",
]


class Coded(BaseException):
    """What has a code: stable, at the end of its message, and the name of its section in docs/reference/error_codes.md.

    A new kind is a class with a code, and a section there; a test holds them against one another.
    """

    code = ""

    def __str__(self) -> str:
        message = str(self.args[0]) if self.args else ""
        return f"{message} [functad {self.code}]" if self.code else message


def message_of(error: BaseException) -> str:
    """The message of an error, without its code, for messages that it is part of."""
    code = error.code if isinstance(error, Coded) else ""
    return str(error).removesuffix(f" [functad {code}]")


class FunctadError(Coded, Exception):
    """Base class of functad's errors."""

    located = False

    def at(self, location: object) -> FunctadError:
        """This error, saying where in the user's code it happened, unless it does so already or nobody knows."""
        if location is not None and not self.located:
            self.located = True
            self.args = (f"{self.args[0]}, at {location}",)
        return self


class DtypeError(FunctadError, TypeError):
    """An argument has a dtype that the operation does not take."""

    code = "E01"


class ArgumentError(FunctadError, ValueError):
    """An argument has a value that the operation does not take."""

    code = "E02"


class AxisError(FunctadError, np.exceptions.AxisError):
    """An axis lies outside the axes of the array, or is named twice."""

    code = "E03"


class ShapeError(FunctadError, ValueError):
    """Shapes do not fit together."""

    code = "E04"


class StructureError(FunctadError, TypeError):
    """A container, or what is in it, is not what the operation takes."""

    code = "E05"


class TracerConversionError(FunctadError, TypeError):
    """A traced value was converted where its value is unknown or its derivative would be lost."""

    code = "E06"


class UnboundAxisError(FunctadError, NameError):
    """No mapped axis has the name that a collective asks for."""

    code = "E07"


class EscapedTracerError(FunctadError, RuntimeError):
    """A tracer was used after the function that it belongs to had returned."""

    code = "E08"


class ImmutableError(FunctadError, TypeError):
    """A traced or borrowed array was written to."""

    code = "E09"


class IndexOutOfBoundsError(FunctadError, IndexError):
    """An index lies outside its axis."""

    code = "E10"


class InvalidIndexError(FunctadError, IndexError):
    """An index that arrays, or arrays of this shape, do not take."""

    code = "E11"


class UnsupportedError(FunctadError, TypeError):
    """A NumPy function or an argument of it that functad does not have."""

    code = "E12"


class LinAlgError(FunctadError, np.linalg.LinAlgError):
    """A matrix has no inverse, no factorisation, or its eigenvalues were not found."""

    code = "E13"


class CollectiveError(FunctadError, TypeError):
    """A collective over a mapped axis stands where not all elements of the axis come together."""

    code = "E14"


class LinearityError(FunctadError, ValueError):
    """A function that has to be linear is not."""

    code = "E15"


class MissingExtraError(FunctadError, ImportError):
    """An optional dependency is not installed; the message names the extra."""

    code = "E16"


class NonFiniteError(FunctadError, FloatingPointError):
    """A result is NaN, or an infinity that an operation made, and the flag ``debug_nans`` is set."""

    code = "E17"


class ParseError(FunctadError, ValueError):
    """A text or bytes that hold no Program."""

    code = "E19"


class InternalError(FunctadError, RuntimeError):
    """A defect in functad itself."""

    code = "E18"


class FunctadWarning(Coded, UserWarning):
    """Base class of functad's warnings."""


class CacheWarning(FunctadWarning):
    """The directory of the persistent cache cannot be used; compiled code is kept in memory alone."""

    code = "W03"


class UnrolledWarning(FunctadWarning):
    """A loop was made step by step under ``jit``, and makes so many equations that compiling takes long."""

    code = "W01"


class RetraceWarning(FunctadWarning):
    """A value that a jitted function closes over, or a static argument, keeps changing: each change traces it anew."""

    code = "W02"


OF_VALUES = (CollectiveError, IndexOutOfBoundsError, LinAlgError)
"""What evaluation raises: whoever evaluates an equation says where it is."""


def __dir__() -> list[str]:
    return sorted(__all__)
