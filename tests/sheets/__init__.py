"""Tests of scorecards as files."""
