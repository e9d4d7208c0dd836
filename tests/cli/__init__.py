"""Tests of the command line's files: tables, ledger rows, master rows, the sample."""
