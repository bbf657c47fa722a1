"""What a network has to beat, on the same splits: from the commonest label to its own encoder."""
