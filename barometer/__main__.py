"""`python -m barometer`."""

from barometer.entry import main

main()
