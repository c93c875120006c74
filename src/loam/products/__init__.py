"""What a user takes home: daily maps, figures and tables."""
