"""How each exercise is judged; one file for each in course/."""
