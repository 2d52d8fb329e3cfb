"""Tests that take minutes or hours: fault campaigns, benchmarks, and whole processes from end to end."""
