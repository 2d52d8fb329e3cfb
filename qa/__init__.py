"""What takes minutes or hours: campaigns of faults, benchmarks, and whole processes from end to end."""
