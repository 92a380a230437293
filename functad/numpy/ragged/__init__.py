"""Parts of arrays whose shape is traced: slices with traced bounds (``A[i, :j]``), and what a mask takes (``x[m]``).

A part is the whole array with what says where the part is (``regions.py``); what lies elsewhere is never looked at: it
is replaced before an operation, so that neither a value nor a derivative there, NaN say, reaches the result.
"""
