"""Stress: what would happen, and what did.

replay     histories of institutions that failed, day by day, as somebody saw them then
"""
