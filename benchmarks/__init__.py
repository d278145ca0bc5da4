"""handnn beside its peers: first verified, then timed in one run. `python -m benchmarks -h`."""
