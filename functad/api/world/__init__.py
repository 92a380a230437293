"""What a jitted function reads beside its arguments: found before it is traced, read or compared at each call.

``reach`` walks from the function to all that it can read by name; ``watch`` holds what was found there. While it is
traced, ``outside`` makes hidden operands of arrays (``views``, ``hidden``; ``kept`` for functions with rules of their
own). What must still be so at a later call are ``guards``. What keeps changing becomes an operand (``operands``), in
functions made anew around it (``substitute``).
"""
