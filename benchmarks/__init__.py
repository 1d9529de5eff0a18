"""How fast the house is, as ratios against what it stands on: a bare FastAPI, raw DuckDB, a bare Python.

    make bench                              # everything, in under four minutes; writes benchmarks/results.md
    make bench ARGS="--only start,request"  # some of it, printed only

Absolute times say more about a machine than about a program, so every case measures ours and its reference in turns:
each round takes all cases and their sides in a new random order. The p50 of a side is the median over the rounds; a
target is missed only when both the median and the best ratio breach it.
"""
