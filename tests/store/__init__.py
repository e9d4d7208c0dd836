"""Tests of what the database is asked, on a real one."""
