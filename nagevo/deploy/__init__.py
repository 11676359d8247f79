"""Networks in the forms that they are deployed in."""
