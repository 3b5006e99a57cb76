"""Kills commands at random moments and looks whether anything is lost, doubled or left dirty."""
