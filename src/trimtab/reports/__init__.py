"""Reports for people: what an incident was, what a deployment rests on. One self-contained HTML file each."""
