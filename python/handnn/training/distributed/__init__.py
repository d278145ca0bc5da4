"""The rows of one network over several machines: slices of a batch, summed in a fixed tree.

Importing `sharding` is enough to train on one machine. Its other modules are imported when a batch
is cut into slices.
"""
