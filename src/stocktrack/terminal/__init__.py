"""What a person sees and types: text, tables, the live board, the prompt, and how a command ends."""
