"""Tests of Aval; they mirror `app/`."""
