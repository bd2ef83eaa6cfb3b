"""What the parity program runs for each system."""
