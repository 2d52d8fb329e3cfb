"""meterbot tells a team what its Claude seats really spend."""

__version__ = "0.1.0"
