"""How fast the house is, as ratios against what it stands on (a bare FastAPI, raw DuckDB, a bare Python), and how well
a cluster keeps its promises.

    make bench                                # everything, about twenty minutes; writes benchmarks/results.md
    make bench ARGS="--only start,request"    # some of it, printed only
    make bench ARGS="--only cluster --quick"  # the cluster's, three rounds and three trials each
    make bench ARGS="--only engine"           # the engine's, over six million facts, about five minutes
    make bench ARGS="--only suite --rows 600000"

Absolute times say more about a machine than about a program, so every case measures ours and its reference in turns:
each round takes all cases and their sides in a new random order. The p50 of a side is the median over the rounds; a
target is missed only when both the median and the best ratio breach it.

The engine is measured over facts that are made once into `.make/bench`; `benchmarks.facts` has their formula. Other
engines are in `benchmarks/requirements.lock`; the lines of one that is not installed say so.

What a cluster of real processes promises is tried twenty times and judged by every trial: see `benchmarks.cluster`.
"""
