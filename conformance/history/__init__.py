"""Operations whose order or outcome is unknown, and the search that explains what was seen."""
