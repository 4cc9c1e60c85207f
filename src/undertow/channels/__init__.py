"""Channels: the innocent tasks that carry a trait."""
