"""What actors say to each other: one module per receiver, frozen values only."""
