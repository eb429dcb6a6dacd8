"""Training: data, supervised fine-tuning, export."""
