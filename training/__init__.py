"""The shipped backbone: a small CLIP of our own, its two towers, its words, its data and the recipe that trains it."""
