"""For every test: nothing that it brought to life may outlive it."""
