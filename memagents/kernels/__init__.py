"""Steps of memories in loops over numbers, compiled by Numba, from the first of a sequence to the last: LSTM, GRU and
Elman's network (`cells`, `recurrence`), the NTM, the DNC and the MANN with their controllers (`walk`, `unroll`), and
transformers (`layers`), which go from step to step within a layer. And what comes after them when a policy learns:
heads (`perceptrons`), `categorical`, PPO's `objective`, `adam`.

One step of an external memory is seventy small operations on a few thousand numbers; torch takes far longer to start
them than to do them. A memory's file here has its step after the controller's, for one row of a batch, as a loop over
slots and words as the papers write it, and the step's gradient, derived by hand. It knows no episodes and no
controller, which are the business of `walk`: an interface vector and what is held come in, and what is held after goes
out.

    step(settings, taken, numbers, interface, row_before, row_after)
    step_backward(settings, taken, numbers, interface, row_before, row_after, d_row, d_interface)

What is held is one line of numbers: the fields of the memory's own state, in their order, the words read last.
`settings` are what tells the parts of the line from each other; `taken` and `numbers` are scratch paper. `d_x` is the
gradient of the loss with regard to x; `d_row` is that of what is held after the step, and becomes that of what is held
before it; `d_interface` is written. Of the words read before the step nothing depends but the controller, so their
gradient may be left as it is. `memories/` has the equations, and the steps that kernels are tested against.
"""
