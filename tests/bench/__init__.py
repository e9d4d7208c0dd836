"""Tests of the bench: what it counts, computes and sends."""
