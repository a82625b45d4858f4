"""The benchmarks: `python -m tests.benchmarks`, described in docs/benchmarks.md.  pytest does not collect them."""
