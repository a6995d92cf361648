"""The conformance kit: does a router keep SPEC.md, as far as its neighbours can see?

A vendor points it at the peer port of a router. The kit is three of that router's
neighbours, A, B and C, with keys of their own; what it judges is what they are told.
Nothing of the reference router decides anything here: of `ioe_router` only the wire
format is used (`codec`, `model`, the certificates of `adapters`); ADR 0031.

    A --- target --- B          A, B: siblings of the target;  keeper of the link: target, B
             |
             C                  C: a peer, a single customer;  keeper of the link: target

How to add a case: write an async function in `cases/<group>.py` under `@case(...)` with
a stable name, the requirements that it checks and what it needs; it is found by itself.
Say what the target does with `bench.check` or one of the `expect_...` of `bench.py`;
end every refusal with a fence and a look at what must not have changed
(`bench.fence`, `bench.nothing_told`). A malformed message is a line in
`cases/malformed/*.toml`. `python -m ioe_conformance list` shows all of them.
"""

__version__ = "1.0"
