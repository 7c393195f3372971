"""What a person sees and types: asyncinit in real terminals, their screens compared."""
