"""memagents"""
