"""Training: `Trainer`, many trainings at once, early stopping, checkpoints and interrupts."""
