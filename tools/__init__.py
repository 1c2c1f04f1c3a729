"""Programs of the developer: diagrams, benches."""
