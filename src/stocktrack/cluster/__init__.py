"""The servers at one Redis as one: who is there, what they tell each other, and what counts over all of them."""
