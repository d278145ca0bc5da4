"""Training: `Trainer`, many trainings at once, early stopping, checkpoints and interrupts.

Import the public names from `handnn` itself.
"""
