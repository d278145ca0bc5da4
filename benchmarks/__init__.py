"""Compare handnn with its peers: verify first, then time in one run. `python -m benchmarks -h`."""
