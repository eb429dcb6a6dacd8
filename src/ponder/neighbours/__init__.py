"""Other people's evaluation frameworks: ponder as a part of theirs."""
