"""What holds on one CUDA card, and how fast: one command under eight minutes, offline, with random weights.

    python -m bench.gpu                       all sections on the fastest device here, into bench/results/gpu.json
    python -m bench.gpu --only bytes,rows     some of them
    python -m bench.gpu --small               at a size for a processor, in seconds: what the tests run

    sections    a section is a list of parts; the time limit, what was left out, what was found
    models      full-sized models of random weights, made on the device
    calls       calls of tiny pipelines, and pictures that are compared
    checks      sections that are right or wrong: equality, bytes, memory, compile
    speeds      sections that are numbers: rows, speed, large

The command ends with 1 where a check does not hold, with 2 where a part broke, with 3 where it hung, and with 4 where
checks were asked for and none could be measured. To add a section: a function in
`checks` or `speeds` that gives its parts, and a line in `__main__.SECTIONS`.
"""
