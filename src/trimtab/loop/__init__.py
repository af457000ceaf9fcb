"""The conductor: composes the rooms, delivers events, keeps the world equal to what was decided."""
