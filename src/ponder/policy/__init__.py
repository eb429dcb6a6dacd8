"""How much compute, and which: difficulty, allocation, cascades, and the policy that `auto` follows."""
