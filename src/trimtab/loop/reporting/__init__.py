"""Gathers what each report shows from what is stored, writes it, prints it and mails it; one file a report."""
