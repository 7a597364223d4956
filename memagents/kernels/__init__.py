"""Steps of memories in loops over numbers, compiled by Numba: the addressing of the NTM, the DNC and the MANN, and
LSTM, GRU and Elman's network from the first step to the last (`cells`, `recurrence`).

One step of an external memory is seventy small operations on a few thousand numbers; torch takes far longer to start
them than to do them. A kernel does a step in one call, and the step's gradient, derived by hand, in another. It knows
no episodes and no controller, which are the business of `unroll`: an interface vector and a state go in, the next state
comes out.

    forward(interface, *before)                    -> after, reads
    backward(interface, *before, after, d_after)   -> d_interface, *d_before

A state has the fields of the memory's own, in their order, without the controller's; the words read, `reads`, only come
out. `d_x` is the gradient of the loss with regard to x. Each row of a batch is a loop of its own over slots and words,
as the papers write it, and several threads take rows each (`threads`). `memories/` has the equations, and the steps
that kernels are tested against.
"""
