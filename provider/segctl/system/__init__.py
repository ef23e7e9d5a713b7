"""What segctl asks of the machine it runs on: files, folders, programs, and the text of others."""
