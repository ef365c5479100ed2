"""The words between services: pure values and messages, no input or output."""
