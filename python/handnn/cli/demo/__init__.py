"""The command `handnn demo`: a network trained on real measurements."""
