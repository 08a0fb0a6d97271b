"""An applicant in, a decision out: `service.py` tells the way."""
