"""Files that only this program writes, and arrays in them."""
