"""The torch side: graphs as trainable modules."""
