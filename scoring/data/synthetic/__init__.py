"""Sample applicants: invented rows of all eight tables that behave as Home Credit's do.

Kaggle's data may not be redistributed, so this is what the project runs on until real rows are
given to it. `profile.json` holds statistics of real rows, the TOML files tell of what, `profile`
computes them, `write_sample` draws from them, and `studies.credibility` measures how well.
"""

from scoring.data.synthetic.sample import SampleError, write_sample

__all__ = ["SampleError", "write_sample"]
