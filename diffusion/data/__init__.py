"""Pictures and captions: opened, collected, put in order."""
