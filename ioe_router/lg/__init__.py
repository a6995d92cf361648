"""The looking glass: a read-only web process that shows what one or many nodes say of themselves."""
