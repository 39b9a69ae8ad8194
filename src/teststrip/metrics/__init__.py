"""Metrics turn images into numbers. One file holds one kind of metric; entry points find its classes."""
