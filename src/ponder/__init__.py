"""ponder: better answers from any language model, by spending inference compute where it pays."""
