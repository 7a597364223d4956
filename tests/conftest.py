"""What all tests share."""

import torch

# The tests run in parallel processes; more threads in each would only fight each other.
torch.set_num_threads(1)
