"""The multi-stage duplex diffusion process (Sec. 3.1, 3.3): latents in, latents out; it knows no modality by name.

Read in this order: ``schedule`` (b_t), ``stages`` (t1, t2), ``transfer`` (Phi and w_t), ``process`` (forward),
``condition`` (what the available side says), ``score`` (the network), ``objective`` (its loss), ``sampler`` (reverse).
``gaussian`` holds a world whose answers are known, in which the tests prove the rest.
"""
