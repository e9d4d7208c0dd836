"""Tests of what HTTP shares: strictness, problems, middleware, wire types."""
