"""nngen: from a trained network to a checked and simulated mixed-signal macro."""

__version__ = "0.1.0"
