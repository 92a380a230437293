"""Error classes: each is also an instance of what Python or NumPy would raise, and its message says what to write
instead.
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
    "ImmutableError",
    "IndexOutOfBoundsError",
    "InternalError",
    "InvalidIndexError",
    "LinAlgError",
    "LinearityError",
    "OF_VALUES",
    "MissingExtraError",
    "ParseError",
    "RetraceWarning",
    "UnrolledWarning",
    "ShapeError",
    "StructureError",
    "TracerConversionError",
    "UnboundAxisError",
    "UnsupportedError",
]


class FunctadError(Exception):
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


class ArgumentError(FunctadError, ValueError):
    """An argument has a value that the operation does not take."""


class AxisError(FunctadError, np.exceptions.AxisError):
    """An axis lies outside the axes of the array, or is named twice."""


class ShapeError(FunctadError, ValueError):
    """Shapes do not fit together."""


class StructureError(FunctadError, TypeError):
    """A container, or what is in it, is not what the operation takes."""


class TracerConversionError(FunctadError, TypeError):
    """A traced value was converted where its value is unknown or its derivative would be lost."""


class UnboundAxisError(FunctadError, NameError):
    """No mapped axis has the name that a collective asks for."""


class EscapedTracerError(FunctadError, RuntimeError):
    """A tracer was used after the function that it belongs to had returned."""


class ImmutableError(FunctadError, TypeError):
    """A traced or borrowed array was written to."""


class IndexOutOfBoundsError(FunctadError, IndexError):
    """An index lies outside its axis."""


class InvalidIndexError(FunctadError, IndexError):
    """An index that arrays, or arrays of this shape, do not take."""


class UnsupportedError(FunctadError, TypeError):
    """A NumPy function or an argument of it that functad does not have."""


class LinAlgError(FunctadError, np.linalg.LinAlgError):
    """A matrix has no inverse, no factorisation, or its eigenvalues were not found."""


class CollectiveError(FunctadError, TypeError):
    """A collective over a mapped axis stands where not all elements of the axis come together."""


class LinearityError(FunctadError, ValueError):
    """A function that has to be linear is not."""


class MissingExtraError(FunctadError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class ParseError(FunctadError, ValueError):
    """A text or bytes that hold no Program."""


class InternalError(FunctadError, RuntimeError):
    """A defect in functad itself."""


class CacheWarning(UserWarning):
    """The directory of the persistent cache cannot be used; compiled code is kept in memory alone."""


class UnrolledWarning(UserWarning):
    """A loop was made step by step under ``jit``, and makes so many equations that compiling takes long."""


class RetraceWarning(UserWarning):
    """A value that a jitted function closes over, or a static argument, keeps changing: each change traces it anew."""


OF_VALUES = (CollectiveError, IndexOutOfBoundsError, LinAlgError)
"""What evaluation raises: whoever evaluates an equation says where it is."""
