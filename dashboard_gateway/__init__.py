"""The dashboard: receives events, runs the journey, shows frames."""
