"""An applicant in, a decision out."""
