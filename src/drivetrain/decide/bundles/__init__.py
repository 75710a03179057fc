"""What a bundle is asked."""
