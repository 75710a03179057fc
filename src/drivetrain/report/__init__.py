"""What a run and a bundle say of themselves: the report page, and the model card."""
