"""Music as texts: notes in words (events.py), MIDI files of them (midi.py), and whether a tune is sound ABC (abc.py)."""
