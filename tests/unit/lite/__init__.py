"""A package, so that its conftest has a name of its own when doctests are collected."""
