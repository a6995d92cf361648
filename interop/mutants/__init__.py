"""Reference routers with one small deliberate defect each: the conformance kit has to notice every one.

`catalogue.py` names them, with the cases that each must fail; `daemon.py` runs
one; `python -m mutants` runs them against the kit and writes the kill matrix.
The product has no trace of any of this: a defect is put into the process of a
daemon when it starts (`patching.py`).
"""
