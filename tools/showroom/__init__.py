"""The maker of the bundled showroom: pieces, finishes, plans of rooms, and their rendering."""
