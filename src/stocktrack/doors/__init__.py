"""What the doors share: listening, TLS, and what they ask of the kernel."""
