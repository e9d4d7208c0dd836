"""Spreadsheets: policy, scorecard and limits as files that a credit manager edits.

A room of its own: it knows the domain and neither the database nor the web. What a person sees must
be what is read; what is written never runs as a formula.
"""
