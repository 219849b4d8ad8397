"""Has no application."""
