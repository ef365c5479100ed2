"""The demo detector: how it is trained, exported and measured. No service imports this package."""
