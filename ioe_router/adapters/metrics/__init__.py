"""What a node can be measured by: the table of metrics, what is counted, what is read at a scrape."""
