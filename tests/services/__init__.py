"""What the product does, without a server in front."""
