"""Training: `Trainer`, concurrent trainings, early stopping, checkpoints and interrupts.

Import the public names from `handnn` itself.
"""
