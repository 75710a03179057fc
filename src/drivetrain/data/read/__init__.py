"""What people have, read: files, folders, frames, databases -> columns and rows, with errors that name the place."""
