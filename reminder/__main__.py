"""``python -m reminder``."""

from reminder.cli import main

if __name__ == "__main__":
    main()
