"""A chip that does not exist, as an example of a neurodeploy target."""
