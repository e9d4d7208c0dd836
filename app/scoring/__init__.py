"""Scores: scorecards as files, features and models.

A room of its own: it knows the domain and neither the database nor the web.
"""
