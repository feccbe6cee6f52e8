"""The ways to tell somebody of an alert who has no session: one message to one target that the operator set up."""
