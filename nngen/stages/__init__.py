"""Stages: plain functions from typed arguments to frozen results."""
