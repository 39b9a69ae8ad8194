"""From columns of numbers to findings; knows nothing of files, engines or pictures."""
